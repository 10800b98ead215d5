"""The seam to the payment provider: what we ask of it, and Stripe behind it."""
