"""What an agency sells: its maintenance plans."""
