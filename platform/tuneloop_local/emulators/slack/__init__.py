"""A local Slack: for people without a workspace, for tests and for the demo. It refuses what Slack refuses."""
