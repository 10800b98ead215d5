"""Scorers: one question about one answer each. `label` judges classifications, `ReplyScorer` generated answers."""
