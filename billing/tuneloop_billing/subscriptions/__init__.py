"""Which plan a client is on, and how it changes."""
