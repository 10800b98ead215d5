"""Slack workspaces of an agency: installation, who is who, where messages go, what came in."""
