"""Other clusters: their settings, the links to them, and the protocol spoken over a link."""
