"""Years and gates played through with the shipped statistics, and what came of them against what was aimed at."""
