"""The end of a month for a client: count, report, invoice, send; each step once, whatever dies in between."""
