"""What Stripe tells us: verified, stored once, acted upon by a job that asks Stripe how things are."""
