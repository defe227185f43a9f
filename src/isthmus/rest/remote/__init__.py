"""The far side of a link: what a node answers to other clusters' nodes."""
