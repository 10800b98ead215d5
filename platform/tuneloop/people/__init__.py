"""How people come in and get back in: invitations, and links to choose a new password."""
