"""Labelling a random sample of production answers."""
