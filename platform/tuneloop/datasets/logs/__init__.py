"""Answers given elsewhere, read from logs into the production log."""
