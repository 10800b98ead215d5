"""A local Stripe: refuses what Stripe's own OpenAPI refuses, and answers an error to what it does not model."""
