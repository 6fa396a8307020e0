"""Routing by size as linear rows: what each option carries of every request size, and what must then run.

In a period with planned demand d, option i carries the share x[b, i] of size b (Σ_i x[b, i] = 1), which keeps

    load[i] = Σ_b d · share[b] · x[b, i] / rate[b, i]

of its units busy. u[i] is 1 where it carries anything at all, k is survive_instance_losses. Of its units n[i] run

    n[i] ≥ load[i] / utilisation_ceiling          n[i] ≥ load[i] + k · u[i]
    firm[i] ≥ (1 − max_spot_share) · max(load[i] / utilisation_ceiling, load[i] + k · u[i])
    pool ≤ n[i] − load[i]                         for each spot pool of i, where survive_spot_pool_loss holds
    committed[i] < max(commitment_headroom · load[i], load[i] + commitment_spare) + 1
                                                  where an hour counts, and 0 where option i carries nothing in one

An hour counts for commitments where its demand is that of the hour at commitment_hours_share (lowest first) or more.
Every option keeps its own spare, since another may not meet the target for the sizes that it carries. The sizes' shares
are the same in all hours. Source of continuous shares: `mix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.by_size_sets import Sized, Slot
from optimiser.planning.commitment_budget import budget_of
from optimiser.planning.leaves import is_constant
from optimiser.planning.problem import How
from optimiser.planning.solve import Programme, Terms, Variable

# "Less than" for whole units, well above a solver's tolerance.
STRICTLY = 1e-4
# An option that spare is committed of carries at least this many units' load.
LEAST_LOAD = 1e-3


@dataclass
class Routed:
    """A model of some slots. units[c][s] is the variable (or the fixed number) of column c, one variable in all slots
    for what is constant; share[s][b, i]; used[s][i] where spare is kept."""

    sized: Sized
    slots: Sequence[Slot]
    whole_use: bool
    programme: Programme = field(default_factory=lambda: Programme("by_size"))
    units: list[list[Variable | int]] = field(default_factory=list)
    share: list[dict[tuple[int, int], Variable]] = field(default_factory=list)
    used: list[dict[int, Variable]] = field(default_factory=list)
    load: list[list[Variable]] = field(default_factory=list)

    def row(self, name: str, terms: Sequence[tuple[Variable | int, float]], sense: str, right: float) -> None:
        """A row in which some variables may be fixed numbers."""
        free: Terms = [(one, factor) for one, factor in terms if not isinstance(one, int)]
        fixed = sum(one * factor for one, factor in terms if isinstance(one, int))
        if free:
            self.programme.row(name, free, sense, right - fixed)
        elif (fixed < right - 1e-9 and sense != "<=") or (fixed > right + 1e-9 and sense != ">="):
            self.programme.row(name, [(self.load[-1][0], 0.0)], sense, right - fixed)

    def running(
        self, slot: int, option: int | None, *, firm: bool = False
    ) -> list[tuple[Variable | int, float]]:
        """Units of an option (of all where None), or those that are not spot."""
        columns = range(len(self.units)) if option is None else self.sized.columns_of[option]
        return [
            (self.units[c][slot], 1.0)
            for c in columns
            if not firm or self.sized.columns[c].purchase.how is not How.SPOT
        ]


def build(
    sized: Sized,
    slots: Sequence[Slot],
    *,
    constants: Sequence[int] | None = None,
    whole_constants: bool = True,
    whole_hours: bool = False,
    whole_use: bool = False,
) -> Routed:
    """The model of slots; constants fixes what runs all along, by column. What is not whole is relaxed.

    What is fixed costs what it costs, so that a relative gap is one of the whole.
    """
    m = Routed(sized, slots, whole_use)
    horizon = sum(slot.hours for slot in slots)
    cost: Terms = []
    if constants is not None:
        fixed = sum(
            n * one.purchase.usd_per_unit_hour for n, one in zip(constants, sized.columns, strict=True)
        )
        cost.append((m.programme.variable("fixed", 1), fixed * horizon))
        m.programme.row("fixed", [(cost[0][0], 1.0)], "=", 1)
    for c, one in enumerate(sized.columns):
        usd, most = one.purchase.usd_per_unit_hour, one.purchase.max_units
        if is_constant(one):
            if constants is not None:
                m.units.append([constants[c]] * len(slots))
                continue
            always = m.programme.variable(f"units_{c}", most, whole=whole_constants)
            cost.append((always, usd * horizon))
            m.units.append([always] * len(slots))
            continue
        by_slot = [m.programme.variable(f"units_{c}_{s}", most, whole=whole_hours) for s in range(len(slots))]
        cost += [(units, usd * slot.hours) for units, slot in zip(by_slot, slots, strict=True)]
        m.units.append(list(by_slot))
    sides = None if constants is not None else _sides(m, whole_constants)
    _keep_budget(m)
    for s in range(len(slots)):
        _route(m, s)
        _run_enough(m, s)
        _keep_within(m, s)
        if slots[s].counts:
            _commit(m, s, sides)
    m.programme.minimise(cost)
    return m


def _route(m: Routed, s: int) -> None:
    """Every size is served, and what that keeps busy of each option:  load[i] = Σ_b d · share[b] / rate · x[b, i]."""
    sized, slot = m.sized, m.slots[s]
    busy, most = slot.demand * sized.busy, slot.highest * sized.most_busy
    m.load.append([m.programme.variable(f"load_{s}_{i}") for i in range(len(sized.options))])
    pairs = np.argwhere(sized.rates_rps > 0).tolist() if slot.demand > 0 else []
    share = {(b, i): m.programme.variable(f"share_{s}_{b}_{i}") for b, i in pairs}
    served: list[Terms] = [[] for _ in sized.shares]
    loads: list[Terms] = [[(load, -1.0)] for load in m.load[s]]
    for (b, i), variable in share.items():
        served[b].append((variable, 1.0))
        loads[i].append((variable, float(busy[b, i])))
    for b, terms in enumerate(served):
        if slot.demand > 0:
            m.programme.row(f"serve_{s}_{b}", terms, "=", 1)
    for i, terms in enumerate(loads):
        m.programme.row(f"load_{s}_{i}", terms, "=", 0)
    m.share.append(share)
    m.used.append({})
    if sized.policy.survive_instance_losses and slot.demand > 0:
        for i in range(len(sized.options)):
            use = m.programme.variable(f"used_{s}_{i}", 1, whole=m.whole_use)
            m.used[s][i] = use
            m.programme.row(f"if_used_{s}_{i}", [(m.load[s][i], 1.0), (use, -float(most[i]))], "<=", 0)
        m.programme.row(f"some_use_{s}", [(use, 1.0) for use in m.used[s].values()], ">=", 1)


def _needed(m: Routed, s: int, i: int) -> list[Terms]:
    """What option i must have running, as the terms of which it is the highest: with headroom, and with spare."""
    load, spare = m.load[s][i], m.sized.policy.survive_instance_losses
    kept: list[Terms] = [[(load, 1 / m.sized.policy.utilisation_ceiling)]]
    if i in m.used[s]:
        kept.append([(load, 1.0), (m.used[s][i], float(spare))])
    return kept


def _run_enough(m: Routed, s: int) -> None:
    """n[i] and firm[i] reach what option i needs; no pool of it holds more than n[i] − load[i]."""
    policy = m.sized.policy
    for i, columns in enumerate(m.sized.columns_of):
        units, firm = m.running(s, i), m.running(s, i, firm=True)
        for n, needed in enumerate(_needed(m, s, i)):
            m.row(f"carry_{n}_{s}_{i}", units + [(v, -f) for v, f in needed], ">=", 0)
            if len(firm) < len(units):
                less = [(v, -f * (1 - policy.max_spot_share)) for v, f in needed]
                m.row(f"firm_{n}_{s}_{i}", firm + less, ">=", 0)
        if not policy.survive_spot_pool_loss:
            continue
        pools = {c: m.sized.columns[c].purchase.pool for c in columns}
        for number, pool in enumerate(sorted(set(pools.values()) - {""})):
            outside = [(m.units[c][s], 1.0) for c in columns if pools[c] != pool]
            m.row(f"pool_{number}_{s}_{i}", [*outside, (m.load[s][i], -1.0)], ">=", 0)


def _keep_within(m: Routed, s: int) -> None:
    """The floor of units that are not spot, quotas and GPUs."""
    if m.sized.policy.min_firm_instances:
        m.row(f"floor_{s}", m.running(s, None, firm=True), ">=", m.sized.policy.min_firm_instances)
    for number, cap in enumerate(m.sized.caps):
        taken = [
            (m.units[c][s], float(cap.taken_by(one.option, one.purchase.how)))
            for c, one in enumerate(m.sized.columns)
        ]
        if any(each for _, each in taken):
            m.row(f"cap_{number}_{s}", [(v, each) for v, each in taken if each], "<=", cap.amount)


def _keep_budget(m: Routed) -> None:
    """What is signed in all stays within the budget for it; commitments that are fixed were chosen within it."""
    budget = budget_of(m.sized.policy)
    if budget is None:
        return
    signed = [
        (units[0], budget.signs(one.option, one.purchase))
        for units, one in zip(m.units, m.sized.columns, strict=True)
        if one.purchase.how is How.COMMITMENT
    ]
    free: Terms = [(units, usd) for units, usd in signed if not isinstance(units, int)]
    if free:
        m.programme.row("budget", free, "<=", budget.usd_per_hour)


def _committed(m: Routed, s: int, i: int) -> list[tuple[Variable | int, float]]:
    return [
        (m.units[c][s], 1.0)
        for c in m.sized.columns_of[i]
        if m.sized.columns[c].purchase.how is How.COMMITMENT
    ]


def _sides(m: Routed, whole: bool) -> dict[int, tuple[Variable, Variable]]:
    """For each option two binaries: 1 where anything of it is committed, and where its spare decides how much may be
    (0 where its headroom does).

    Which of the two asks for less load depends on what is committed alone, so one choice serves all hours.
    """
    if not whole or not m.sized.policy.commitment_spare:
        return {}
    signs = {i: m.programme.binary(f"signs_{i}") for i in range(len(m.sized.options)) if _committed(m, 0, i)}
    return {i: (signed, m.programme.binary(f"side_{i}")) for i, signed in signs.items()}


def _commit(m: Routed, s: int, sides: dict[int, tuple[Variable, Variable]] | None) -> None:
    """committed[i] < what option i's load allows + 1; sides is None where what is committed is fixed."""
    for i in range(len(m.sized.options)):
        committed = _committed(m, s, i)
        if committed and sides is None:
            _commit_fixed(m, s, i, sum(one for one, _ in committed if isinstance(one, int)))
        elif committed and sides is not None:
            _commit_free(m, s, i, committed, sides.get(i))


def _commit_fixed(m: Routed, s: int, i: int, units: int) -> None:
    """What so many committed units ask option i to carry."""
    headroom, spare = m.sized.policy.commitment_headroom, m.sized.policy.commitment_spare
    if units:
        least = min((units - 1) / headroom, units - 1 - spare) + STRICTLY
        m.row(f"commit_{s}_{i}", [(m.load[s][i], 1.0)], ">=", max(least, LEAST_LOAD if spare else 0.0))


def _commit_free(
    m: Routed,
    s: int,
    i: int,
    committed: list[tuple[Variable | int, float]],
    sides: tuple[Variable, Variable] | None,
) -> None:
    """What option i carries, at the lowest demand that the slot stands for, bounds what is committed of it."""
    slot, less, policy = m.slots[s], [(v, -f) for v, f in committed], m.sized.policy
    part = slot.committing / slot.demand if slot.demand > 0 else 1.0
    spare = policy.commitment_spare if slot.demand > 0 else 0
    load = (m.load[s][i], part)
    headroom = (m.load[s][i], part * policy.commitment_headroom)
    m.row(f"commit_{s}_{i}", [*less, headroom], ">=", STRICTLY - 1 - spare)
    if sides is not None:
        signs, side = sides
        most = float(slot.highest * m.sized.most_busy[i]) * headroom[1] + spare + 1
        m.row(f"commit_any_{s}_{i}", [*less, (signs, most)], ">=", 0)
        m.row(f"commit_load_{s}_{i}", [load, (signs, -LEAST_LOAD)], ">=", 0)
        m.row(f"commit_spare_{s}_{i}", [*less, load, (side, -most)], ">=", STRICTLY - 1 - spare - most)
        m.row(f"commit_headroom_{s}_{i}", [*less, headroom, (side, most)], ">=", STRICTLY - 1)
