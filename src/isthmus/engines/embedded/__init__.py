"""The engine in the node's own process: tantivy for the index, LMDB for what was written."""
