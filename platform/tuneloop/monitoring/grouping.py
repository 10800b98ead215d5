"""What the process that groups questions reads and writes; apart from the tables, so that it starts at once."""

from typing import NamedTuple

from pydantic import BaseModel, RootModel


class Cluster(NamedTuple):
    """`members` are places in the traffic, the most typical first; `p_value` is that of its surroundings."""

    name: str
    members: list[int]
    p_value: float


class Texts(BaseModel):
    """What groups are looked for in, and what is known already."""

    traffic: list[str]
    known: list[str]


class Clusters(RootModel[list[Cluster]]):
    """The largest first."""
