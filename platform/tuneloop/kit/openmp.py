"""How long OpenMP's threads wait for each other awake."""

BRIEF_SPIN = "1000"
"""`GOMP_SPINCOUNT`: rounds before a waiting thread sleeps.

By default threads spin for long, and take the core from the very thread they wait for once other processes work too: a
training step on two threads beside a busy process took seven times as long. So few rounds cost nothing there, and on
free cores save a tenth against sleeping at once.
"""
