"""Aggregations over one index: the library's own where they are right, separate searches elsewhere."""
