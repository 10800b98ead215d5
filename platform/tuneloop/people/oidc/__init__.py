"""Signing in through an agency's own identity provider, by OpenID Connect."""
