"""Who is calling: people, roles, API keys, browser sessions."""
