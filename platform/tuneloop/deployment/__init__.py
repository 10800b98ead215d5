"""What production serves: promotion, rollback, roll-forward."""
