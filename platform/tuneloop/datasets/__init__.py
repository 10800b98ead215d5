"""Examples, the pools they live in and the snapshots made of them."""
