"""What each client earns and costs, and what it was shown for its money."""
