"""What a unit of each cap (a quota, GPUs in all) is worth in every slot: duals of the fleet as a linear programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.leaf import Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.solve import Programme, Terms, Variable
from optimiser.planning.tables import Item

# Groups of slots of like demand that share a price.
GROUPS = 12


@dataclass(frozen=True)
class _Group:
    """Slots taken together at their mean levels."""

    slots: np.ndarray
    hours: float
    total: float
    firm: float


def quota_prices(leaf: Leaf) -> Floats:
    """USD an hour per unit of each cap, shape (slots, caps), 0 where a cap does not bind.

        min Σ_g hours[g] · (Σ usd · constant + Σ usd · hourly[g] + Σ usd · spot[g])
        Σ rate · (constant + hourly[g] + spot[g]) ≥ total[g]         Σ rate · (constant + hourly[g]) ≥ firm[g]
        Σ takes[k] · (constant + hourly[g] + spot[g]) ≤ cap[k]       ∀ group of slots g, cap k

    in units of any size. Any prices give a valid bound (Lagrangian relaxation: Fisher, Management Science 27, 1981);
    these give at least the linear programme's. All 0 where it has no solution.
    """
    lp, levels = Programme("quotas"), leaf.levels
    signed = _variables(lp, "signed", leaf.commitments)
    constant = [*signed, *_variables(lp, "held", leaf.held)]
    cost: Terms = [(v, item.usd * levels.horizon_hours) for v, item in constant]
    if np.isfinite(leaf.committed_below):
        lp.row("committed", [(v, item.rate) for v, item in signed], "<=", leaf.committed_below)
    if np.isfinite(leaf.budget_usd):
        lp.row("signed", [(v, item.signs) for v, item in signed], "<=", leaf.budget_usd)
    groups = _groups(leaf)
    for g, group in enumerate(groups):
        hourly = _variables(lp, f"hourly_{g}", leaf.hourly)
        spot = _variables(lp, f"spot_{g}", leaf.spot)
        cost += [(v, item.usd * group.hours) for v, item in (*hourly, *spot)]
        firm = [*constant, *hourly]
        lp.row(f"total_{g}", [(v, item.rate) for v, item in (*firm, *spot)], ">=", group.total)
        lp.row(f"firm_{g}", [(v, item.rate) for v, item in firm], ">=", group.firm)
        for k, cap in enumerate(leaf.caps):
            taken = [(v, float(item.takes[k])) for v, item in (*firm, *spot) if item.takes[k]]
            lp.row(f"cap_{g}_{k}", taken, "<=", cap)
    lp.minimise(cost)
    prices = np.zeros((len(levels.total), len(leaf.caps)))
    if lp.solve().status != "optimal":
        return prices
    for g, group in enumerate(groups):
        for k in range(len(leaf.caps)):
            prices[group.slots, k] = max(-lp.price(f"cap_{g}_{k}"), 0.0) / group.hours
    return prices


def _groups(leaf: Leaf) -> list[_Group]:
    levels = leaf.levels
    parts = np.array_split(np.arange(len(levels.total)), min(GROUPS, len(levels.total)))
    return [
        _Group(
            part,
            float(levels.hours[part].sum()),
            float(np.average(levels.total[part], weights=levels.hours[part])),
            float(np.average(levels.firm[part], weights=levels.hours[part])),
        )
        for part in parts
    ]


def _variables(lp: Programme, name: str, items: Sequence[Item]) -> list[tuple[Variable, Item]]:
    """A variable for each item that no other beats by the req/s."""
    return [(lp.variable(f"{name}_{i}", items[i].max_units), items[i]) for i in undominated_by_rate(items)]


def undominated_by_rate(items: Sequence[Item]) -> list[int]:
    """Indices of items of which no unlimited one costs, takes and signs as little per req/s; of equals the first."""
    if not items:
        return []
    rate = np.array([item.rate for item in items])
    asks = np.array([[item.usd, item.signs, *item.takes] for item in items]) / rate[:, None]
    limited = np.array([item.max_units is not None for item in items], dtype=bool)
    kept: list[int] = []
    for one in np.lexsort((limited, asks[:, 0])).tolist():
        rivals = [other for other in kept if not limited[other]]
        if not (asks[rivals] <= asks[one] + 1e-12).all(axis=1).any():
            kept.append(one)
    return sorted(kept)
