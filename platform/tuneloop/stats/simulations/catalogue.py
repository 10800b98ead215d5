"""All simulations of a subject, in the order in which they are told."""

from tuneloop.stats.simulations import categories, charts, drift, gate
from tuneloop.stats.simulations.finding import Simulation

MONITOR = (
    Simulation("False alarms", charts.false_alarms),
    Simulation("Falls that are found", charts.falls_found),
    Simulation("Weeks that wobble", charts.wobbling_years),
    Simulation("Ten categories", categories.ten_categories),
    Simulation("Changed traffic: tripwire, labels, impact", drift.changed_traffic),
)

GATE = (
    Simulation("One question on labelled differences", gate.equal_and_better),
    Simulation("Against random labels", gate.random_labels),
    Simulation("Candidates at the gate: 1500 queries, at most 100 labels", gate.promotions),
    Simulation("Cycles of up to three attempts", gate.cycles),
    Simulation("Quantisation", gate.quantisation),
)
