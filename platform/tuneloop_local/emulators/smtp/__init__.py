"""The local mailbox: an SMTP server that delivers nothing, and a page to read what it took."""
