"""Lower bounds on routing by size: one for thousands of sets of options at once, and a linear programme for one set.

Hours of like demand are taken together at their mean: for given units that run all along, the least cost of an hour is
a convex function of its demand once the rest is relaxed, so the mean of a group costs no more than the group (Jensen).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.planning.by_size_model import build
from optimiser.planning.by_size_sets import Sized, Slot
from optimiser.planning.leaves import is_constant
from optimiser.planning.problem import Floats, How, Option
from optimiser.planning.solve import Solved


def grouped(slots: Sequence[Slot], most: int, *, upwards: bool = False) -> list[Slot]:
    """At most `most` groups of slots (and three more) of about equal range of demand, each at its mean demand, or
    upwards at its highest, where commitments are held to its lowest.

    The peak, hours without demand and hours that count for commitments are kept apart from the others.
    """
    groups: list[list[Slot]] = []
    step = slots[-1].demand / most
    for slot in slots:
        last = groups[-1][-1] if groups else None
        joins = (
            last is not None
            and slot is not slots[-1]
            and last.demand > 0
            and last.counts == slot.counts
            and slot.demand <= groups[-1][0].demand + step
        )
        if joins:
            groups[-1].append(slot)
        else:
            groups.append([slot])
    found = []
    for group in groups:
        hours = sum(slot.hours for slot in group)
        lowest, highest = group[0].demand, group[-1].demand
        mean = sum(slot.hours * slot.demand for slot in group) / hours
        found.append(
            Slot(
                demand=highest if upwards else mean,
                hours=hours,
                highest=highest,
                counts=group[0].counts,
                committing=lowest if upwards else mean,
            )
        )
    return found


def relaxed(sized: Sized, slots: Sequence[Slot]) -> Solved:
    """The linear relaxation of a set over slots: a lower bound on its plans where slots are grouped at their means."""
    return build(sized, slots, whole_constants=False).programme.solve()


# USD of a unit that nothing firm pays for: beyond any bound.
NOT_FOR_MONEY = 1e15


class QuickBounds:
    """A dual solution of the relaxation for every option, of which sets take the lowest.

    With μ[i, h] the price of a unit of i in hour h, any λ[b, h] ≤ μ[i, h] / (ceiling · rate[b, i]) ∀ i is dual:
    Σ_h Σ_b demand[h] · share[b] · min_i μ[i, h] / (ceiling · rate[b, i]) bounds every plan from below, where

        Σ_h γ[i, h] ≤ usd of a unit that runs all along      γ[i, h] ≤ hours[h] · usd of a firm unit by the hour
        μ[i, h] = α + (1 − max_spot_share) · (γ − α)         α = min(γ, hours[h] · usd of a unit on spot)

    γ is spread over the hours of highest demand, for each number of them; the highest of these bounds holds.
    """

    def __init__(self, sized: Sized, slots: Sequence[Slot]) -> None:
        self.index = {option.id: i for i, option in enumerate(sized.options)}
        hours = np.array([slot.hours for slot in slots])
        demand = np.array([slot.demand for slot in slots])
        prices = [_prices(sized, i, hours.sum()) for i in range(len(sized.options))]
        ceiling = sized.policy.utilisation_ceiling
        flow = demand[None, :, None] * sized.busy.T[:, None, :] / ceiling
        served = (sized.rates_rps > 0).T[:, None, :]
        # Shape (spreads, options, hours, sizes); inf where an option serves nothing of a size.
        self.usd = np.stack(
            [
                np.where(
                    served,
                    np.stack([_unit_usd(price, hours, top, sized.policy.max_spot_share) for price in prices])[
                        :, :, None
                    ]
                    * flow,
                    np.where(demand > 0, np.inf, 0.0)[None, :, None],
                )
                for top in range(1, len(slots) + 1)
            ]
        )

    def bound(self, options: Sequence[Option]) -> float:
        """A lower bound on every plan of these options, USD over the horizon; inf where a size is not served."""
        rows = [self.index[option.id] for option in options]
        usd = float(self.usd[:, rows].min(axis=1).sum(axis=(1, 2)).max())
        return usd if usd < NOT_FOR_MONEY else np.inf


def _prices(sized: Sized, i: int, horizon_hours: float) -> tuple[float, float, float]:
    """The least USD of a unit all along, of a firm one and of one on spot by the hour; inf where there is none."""
    always, firm, spot = np.inf, np.inf, np.inf
    for c in sized.columns_of[i]:
        one = sized.columns[c]
        usd = one.purchase.usd_per_unit_hour
        if is_constant(one):
            always = min(always, usd * horizon_hours)
        elif one.purchase.how is How.SPOT:
            spot = min(spot, usd)
        else:
            firm = min(firm, usd)
    return always, firm, spot


def _unit_usd(price: tuple[float, float, float], hours: Floats, top: int, spot_share: float) -> Floats:
    """μ of the class for one option, γ spread over the `top` last hours (demand ascends), shape (hours,)."""
    always, firm, spot = price
    inside = np.arange(len(hours)) >= len(hours) - top
    left = always
    total = np.zeros(len(hours))
    for part in (inside, ~inside):
        if part.any() and left > 0:
            each = min(firm, left / hours[part].sum())
            total[part] = each * hours[part]
            left = left - total[part].sum() if np.isfinite(left) else left
    if not np.isfinite(always) and not np.isfinite(firm):
        total = spot * hours if spot_share >= 1 else np.full(len(hours), NOT_FOR_MONEY * 1e6)
    on_spot = np.minimum(total, spot * hours)
    found: Floats = on_spot + (1 - spot_share) * (total - on_spot)
    return found
