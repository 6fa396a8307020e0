"""What routing by size is planned for: a set of options with what they carry of each size, and hours of like demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimiser.planning.caps import Cap, caps_of
from optimiser.planning.leaves import Bought
from optimiser.planning.problem import Floats, How, Option, Problem
from optimiser.planning.requirements import low_quantile
from optimiser.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Hours planned as one: demand in req/s, hours in all, the highest demand among them, whether they count for
    commitments, and the demand that those are held to."""

    demand: float
    hours: float
    highest: float
    counts: bool
    committing: float


@dataclass(frozen=True)
class Sized:
    """Options that may stand together, with what they carry of each size with demand.

    rates_rps (sizes, options) is 0 where the target is missed; shares (sizes,) sum to 1; caps limit what runs.
    """

    options: tuple[Option, ...]
    rates_rps: Floats
    shares: Floats
    policy: Policy
    caps: tuple[Cap, ...]
    columns: tuple[Bought, ...]

    @classmethod
    def of(cls, problem: Problem, options: Sequence[Option]) -> Sized:
        """What a set of a problem's options comes to."""
        shares = np.array(problem.bucket_shares)
        active = shares > 0
        rates = np.array([option.bucket_rates_rps for option in options]).T[active]
        spot = problem.policy.max_spot_share > 0
        columns = tuple(
            Bought(option, purchase)
            for option in options
            for purchase in option.purchases
            if spot or purchase.how is not How.SPOT
        )
        caps = caps_of(problem)
        return cls(tuple(options), rates, shares[active] / shares.sum(), problem.policy, caps, columns)

    def of_options(self, options: Sequence[Option]) -> Sized:
        """The same of some of its options."""
        index = {option.id: i for i, option in enumerate(self.options)}
        rates = self.rates_rps[:, [index[option.id] for option in options]]
        ids = {option.id for option in options}
        columns = tuple(one for one in self.columns if one.option.id in ids)
        return Sized(tuple(options), rates, self.shares, self.policy, self.caps, columns)

    @cached_property
    def columns_of(self) -> list[list[int]]:
        """The columns of each option."""
        index = {id(option): i for i, option in enumerate(self.options)}
        found: list[list[int]] = [[] for _ in self.options]
        for c, one in enumerate(self.columns):
            found[index[id(one.option)]].append(c)
        return found

    @cached_property
    def busy(self) -> Floats:
        """Units kept busy per req/s of all demand by each size that the option can carry, shape (sizes, options)."""
        can = self.rates_rps > 0
        found: Floats = np.where(can, self.shares[:, None] / np.where(can, self.rates_rps, 1.0), 0.0)
        return found

    @cached_property
    def most_busy(self) -> Floats:
        """Units kept busy per req/s of all demand by all that the option can carry, shape (options,)."""
        found: Floats = self.busy.sum(axis=0)
        return found

    @property
    def serves_all(self) -> bool:
        """Whether there is an option for every size."""
        return bool((self.rates_rps > 0).any(axis=1).all())


def slots_of(problem: Problem) -> tuple[list[Slot], np.ndarray]:
    """A slot for every distinct demand, ascending, and the slot of each period."""
    demand, hours, slot_of_period = problem.distinct
    share = problem.policy.commitment_hours_share
    low = low_quantile(demand, hours, share)
    slots = [
        Slot(demand=d, hours=h, highest=d, counts=share < 1 and d >= low, committing=d)
        for d, h in zip(demand.tolist(), hours.tolist(), strict=True)
    ]
    return slots, slot_of_period
