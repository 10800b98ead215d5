"""Checks of examples with libraries that only a worker's child process loads."""
