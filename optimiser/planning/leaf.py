"""A problem small enough to solve at once, and what solving it gives."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.requirements import Levels
from optimiser.planning.tables import Item, Units


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A problem small enough to solve at once: a fixed set of purchases under given capacity levels.

    commitments may together hold less than committed_below req/s. floor is how many units that are not spot
    must run in every slot. caps is the most that running units may take of each cap (`Item.takes`), budget_usd what
    commitments may come to together, USD an hour (`Item.signs`).
    """

    levels: Levels
    commitments: tuple[Item, ...] = ()
    held: tuple[Item, ...] = ()
    hourly: tuple[Item, ...] = ()
    spot: tuple[Item, ...] = ()
    committed_below: float = np.inf
    floor: int = 0
    caps: tuple[int, ...] = ()
    budget_usd: float = np.inf

    @property
    def same_as(self) -> Hashable:
        """Equal for leaves of the same problem that are solved alike."""
        levels = self.levels
        purchases = (self.commitments, self.held, self.hourly, self.spot)
        limits = (self.committed_below, self.caps, self.budget_usd)
        return (purchases, levels.total[-1], levels.idle_hours, limits)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Units of each item of a leaf: constant ones, shape (items,), and by slot, shape (slots, items).

    kept says which of the leaf's items the columns stand for, where some were dropped on the way.
    """

    commitments: Units
    held: Units
    hourly: Units
    spot: Units
    kept: Mapping[str, Sequence[int]] | None = None


@dataclass(frozen=True, kw_only=True)
class Decomposed:
    """usd of the best fleet over the horizon and a lower bound on any fleet's; fleet is None where none is.

    caps_priced: the bound has the caps in it as prices (`capped_large`).
    """

    usd: float
    lower_usd: float
    fleet: Fleet | None
    exact: bool
    unit_rps: float = 0.0
    dropped: tuple[str, ...] = ()
    caps_priced: bool = False
