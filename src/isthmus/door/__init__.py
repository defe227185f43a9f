"""Accepts connections, reads the server name from the TLS hello, hands the socket to its node."""
