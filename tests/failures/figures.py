"""What the cases counted, printed at the end of the run."""

FIGURES: list[str] = []


def figure(case: int, said: str) -> None:
    """Case is the number in `platform/docs/failures.md`."""
    FIGURES.append(f"{case:2} {said}")
