"""The data API, as Elasticsearch's clients speak it."""
