"""Rules of the platform: environments, deployments, authorities. Imports no HTTP and no SQL."""
