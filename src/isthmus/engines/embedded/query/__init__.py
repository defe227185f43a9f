"""The query language of the embedded engine: one parser and compiler a clause, one file a family."""
