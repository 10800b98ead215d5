"""What was used and worked for a client: each unit in exactly one month."""
