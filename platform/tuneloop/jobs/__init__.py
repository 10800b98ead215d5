"""Jobs as their agency sees them: progress, failure, cancel."""
