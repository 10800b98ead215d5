"""Monthly accuracy reports."""
