"""Plans, metering and invoices."""
