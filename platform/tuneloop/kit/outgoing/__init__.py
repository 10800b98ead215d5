"""Calls to addresses that a tenant typed: never into the installation's own network."""
