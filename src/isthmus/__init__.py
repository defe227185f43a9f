"""Isthmus joins search deployments that live in separate environments."""
