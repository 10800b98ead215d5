"""Backups of one machine: its database at one moment, the objects that the database names, its secret key."""
