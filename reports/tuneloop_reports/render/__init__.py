"""Makes the PDF of a report."""
