"""Why a candidate was turned down, from what was measured, and what could be done next."""
