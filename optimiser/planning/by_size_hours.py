"""One set of options solved: what runs all along first, then hour by hour.

Few hours are one whole-number model. Many are not: there the units that run all along are chosen with groups of hours
relaxed, which bounds the set from below as well, and then every hour is a small model of its own. Two hours between
which the cost does not rise share their fleet with all hours between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.by_size_bounds import grouped
from optimiser.planning.by_size_model import STRICTLY, Routed, build
from optimiser.planning.by_size_pruning import undominated
from optimiser.planning.by_size_sets import Sized, Slot
from optimiser.planning.leaves import is_constant
from optimiser.planning.problem import Floats, How
from optimiser.planning.solve import value

# Whole numbers by the hour up to which all hours are one model.
JOINT_UNITS = 60
GROUPS = 24
# Groups where whole numbers say which options carry anything.
GROUPS_IN_USE = 8
CONSTANTS_GAP = 1e-3
# Of an hour with few options, and of one with many, where the last tenths of a percent take most of the time.
HOUR_GAP = 1e-3
HOUR_GAP_OF_MANY = 4e-3
FEW_OPTIONS = 4
SAME_COST = 1e-3
LIMIT_S = 60.0


@dataclass(frozen=True)
class SetSolved:
    """units (slots, columns) and share (slots, sizes, options) of the best plan found, None where none was; usd is
    its cost over the horizon, lower_usd bounds the set's plans. in_time is False where a time limit stopped a model."""

    usd: float
    lower_usd: float
    units: np.ndarray | None
    share: Floats | None
    solver: str
    in_time: bool = True


def solve_set(sized: Sized, slots: Sequence[Slot], gap: float, lower_usd: float = 0.0) -> SetSolved:
    """The best plan of a set, whose relaxation costs at least lower_usd."""
    by_hour = sum(not is_constant(one) for one in sized.columns) * len(slots)
    if by_hour <= JOINT_UNITS:
        return _joint(sized, slots, gap, lower_usd)
    m = build(sized, grouped(slots, GROUPS))
    bound = m.programme.solve(CONSTANTS_GAP, LIMIT_S)
    in_time = bound.status in ("optimal", "infeasible")
    if bound.usd is None:
        lower = np.inf if bound.status == "infeasible" else lower_usd
        return SetSolved(lower, lower, None, None, bound.solver, in_time)
    lower = max(lower_usd, bound.lower_usd or 0.0)
    if sized.policy.survive_instance_losses and len(sized.options) > 1:
        in_use = build(sized, grouped(slots, GROUPS_IN_USE, upwards=True), whole_use=True)
        solved = in_use.programme.solve(10 * CONSTANTS_GAP, LIMIT_S)
        in_time &= solved.status in ("optimal", "infeasible")
        m = in_use if solved.usd is not None else m
    constants = [
        round(value(m.units[c][0])) if is_constant(one) and not isinstance(m.units[c][0], int) else 0
        for c, one in enumerate(sized.columns)
    ]
    hours = _Hours(*_of_use(sized, constants), slots)
    if not hours.solve():
        return SetSolved(np.inf, lower, None, None, bound.solver, in_time)
    units = np.zeros((len(slots), len(sized.columns)), dtype=np.int64)
    units[:, [sized.columns.index(one) for one in hours.sized.columns]] = hours.units
    share = np.zeros((len(slots), *sized.rates_rps.shape))
    share[:, :, [sized.options.index(one) for one in hours.sized.options]] = hours.share
    usd = float(np.array([slot.hours for slot in slots]) @ units @ _usd(sized))
    return SetSolved(usd, lower, units, share, bound.solver, in_time and hours.in_time)


def _of_use(sized: Sized, constants: Sequence[int]) -> tuple[Sized, list[int]]:
    """The set without options that others replace hour by hour, and what runs all along by the columns left."""
    running = {i for i, columns in enumerate(sized.columns_of) if any(constants[c] for c in columns)}
    kept = {option.id for option in undominated(sized, running)}
    some = sized.of_options([option for option in sized.options if option.id in kept])
    return some, [constants[sized.columns.index(one)] for one in some.columns]


def _usd(sized: Sized) -> Floats:
    return np.array([one.purchase.usd_per_unit_hour for one in sized.columns])


def _joint(sized: Sized, slots: Sequence[Slot], gap: float, lower_usd: float) -> SetSolved:
    m = build(sized, slots, whole_hours=True, whole_use=True)
    solved = m.programme.solve(min(gap, 1e-4), LIMIT_S)
    if solved.usd is None:
        lower = np.inf if solved.status == "infeasible" else lower_usd
        return SetSolved(lower, lower, None, None, solved.solver, solved.status == "infeasible")
    units = np.array([_units_of(m, s) for s in range(len(slots))])
    share = np.array([_share_of(m, s) for s in range(len(slots))])
    usd = float(np.array([slot.hours for slot in slots]) @ units @ _usd(sized))
    lower = min(usd, max(lower_usd, solved.lower_usd or 0.0))
    return SetSolved(usd, lower, units, share, solved.solver, solved.status == "optimal")


def _units_of(m: Routed, s: int) -> list[int]:
    return [one[s] if isinstance(one[s], int) else round(value(one[s])) for one in m.units]


def _share_of(m: Routed, s: int) -> Floats:
    """Shares of each size, which a solver leaves off 1 by its tolerance, made to add up."""
    share = np.zeros(m.sized.rates_rps.shape)
    for (b, i), variable in m.share[s].items():
        # Where a whole number says that an option carries nothing, a solver's tolerance is no load.
        unused = i in m.used[s] and m.whole_use and value(m.used[s][i]) < 0.5
        share[b, i] = 0.0 if unused else max(value(variable), 0.0)
    share[share < 1e-7] = 0.0
    total = share.sum(axis=1, keepdims=True)
    found: Floats = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    return found


class _Hours:
    """Every slot beside given units that run all along."""

    def __init__(self, sized: Sized, constants: Sequence[int], slots: Sequence[Slot]) -> None:
        self.sized, self.slots, self.constants = sized, slots, constants
        self.units = np.zeros((len(slots), len(sized.columns)), dtype=np.int64)
        self.share = np.zeros((len(slots), *sized.rates_rps.shape))
        self.usd: dict[int, float] = {}
        self.in_time = True

    def solve(self) -> bool:
        """Fill units and share; False where a slot has no fleet."""
        kinds = [(slot.demand > 0, slot.counts) for slot in self.slots]
        starts = [s for s, kind in enumerate(kinds) if s == 0 or kind != kinds[s - 1]]
        ends = [start - 1 for start in starts[1:]] + [len(self.slots) - 1]
        # From the peak down: what has no fleet at all shows there.
        return all(
            self._one(end) and self._one(start) and self._between(start, end)
            for start, end in reversed(list(zip(starts, ends, strict=True)))
        )

    def _one(self, s: int) -> bool:
        if s in self.usd:
            return True
        gap = HOUR_GAP if len(self.sized.options) <= FEW_OPTIONS else HOUR_GAP_OF_MANY
        m = build(self.sized, [self.slots[s]], constants=self.constants, whole_hours=True, whole_use=True)
        solved = m.programme.solve(gap, LIMIT_S)
        self.in_time &= solved.status in ("optimal", "infeasible")
        if solved.usd is None:
            return False
        self.units[s], self.share[s] = _units_of(m, 0), _share_of(m, 0)
        self.usd[s] = solved.usd / self.slots[s].hours
        return True

    def _between(self, low: int, high: int) -> bool:
        """Slots between two that are solved: as the higher where it costs no more than the lower, else halved."""
        if high - low < 2:
            return True
        if self.usd[high] <= self.usd[low] * (1 + SAME_COST) and self._still_committed(low + 1, high):
            self.units[low + 1 : high] = self.units[high]
            self.share[low + 1 : high] = self.share[high]
            return True
        middle = (low + high) // 2
        return self._one(middle) and self._between(low, middle) and self._between(middle, high)

    def _still_committed(self, low: int, high: int) -> bool:
        """Whether what is committed is still filled in a lower slot that is routed as a higher one."""
        policy = self.sized.policy
        if not self.slots[low].counts:
            return True
        load = self.slots[low].demand * (self.share[high] * self.sized.busy).sum(axis=0)
        within = np.maximum(policy.commitment_headroom * load, load + policy.commitment_spare * (load > 0))
        committed = [
            sum(self.constants[c] for c in columns if self.sized.columns[c].purchase.how is How.COMMITMENT)
            for columns in self.sized.columns_of
        ]
        return bool(np.all(np.array(committed) - 1 < within - STRICTLY / 2))
