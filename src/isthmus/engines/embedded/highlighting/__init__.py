"""Marking in a document's texts what a query found: Elasticsearch's ``highlight``."""
