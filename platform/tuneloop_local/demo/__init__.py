"""One whole loop on real data and a real model, through the public API only."""
