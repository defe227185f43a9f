"""Who may do what: users, roles, API keys, cross-cluster keys, keystore."""
