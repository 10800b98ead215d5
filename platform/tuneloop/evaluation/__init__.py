"""Eval runs: what a version answered on a frozen set of examples."""
