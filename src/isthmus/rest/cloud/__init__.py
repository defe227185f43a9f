"""The platform API v1, as Elastic Cloud's clients speak it."""
