"""Computes what a report shows from what happened in its month."""
