"""The shape of a scorer applied to labelled answers of production. What only passes one on needs no scorer."""

from collections.abc import Callable, Sequence

from tuneloop.tables import Example, Prediction

Marking = Callable[[Sequence[Example], Sequence[Prediction]], list[bool]]
"""Says for each labelled answer whether it was right."""
