"""Engines that run elsewhere, OpenSearch and Elasticsearch, as the engine of a deployment."""
