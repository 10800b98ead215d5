"""Slack: commands, approvals, alerts."""
