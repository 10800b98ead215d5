"""Production and candidate side by side on the same items, and the gate's verdict."""
