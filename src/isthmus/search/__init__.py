"""One search over many clusters: plan, ask, merge."""
