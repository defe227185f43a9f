"""The dialects spoken over HTTP; shared here: requests, responses and routing."""
