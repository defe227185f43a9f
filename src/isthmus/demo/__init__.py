"""The demonstration: two environments, connected, searched together on real data."""
