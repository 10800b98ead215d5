"""The production log, and what people said about its answers."""
