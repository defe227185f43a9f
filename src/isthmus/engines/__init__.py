"""What holds the documents: one `Engine` contract, several implementations."""
