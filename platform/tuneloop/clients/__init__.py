"""Clients of an agency."""
