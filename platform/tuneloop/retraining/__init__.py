"""Retraining cycles: one row, one state machine, every step a job, every transition audited."""
