"""Scorers: one question about one answer each. `label` judges classifications, `Reply` generated answers."""
