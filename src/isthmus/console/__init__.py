"""The web console: what an administrator clicks, over the HTTP APIs alone."""
