"""An agency's connection to Stripe, and its settings for money."""
