"""Suggesting other words for those of a text: Elasticsearch's suggesters."""
