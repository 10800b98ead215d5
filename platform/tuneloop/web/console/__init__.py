"""Pages for the agency's people and, by signed link, for their clients."""
