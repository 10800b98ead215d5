"""Mail to people: queued in the caller's transaction, delivered by a job, every attempt kept."""
