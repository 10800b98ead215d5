"""Block Kit from plain data. Pure functions; whatever people, clients or models wrote is shown literally."""
