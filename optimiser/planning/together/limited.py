"""Offers of which there are so many instances, as several services take them at once.

Each service by itself may take all of a limited offer; all of them cannot. What is bought once for all counts whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.problem import BY_THE_HOUR, How, Option, Problem, Purchase
from optimiser.planning.tables import Units
from optimiser.planning.together.services import PAID_FOR_ALL

# Instances of each limited offer, by offer id.
Limits = Mapping[str, int]


def limits_of(problems: Sequence[Problem]) -> dict[str, int]:
    """How many instances there are, as the service that can use most of them finds: groups leave a remainder."""
    found: dict[str, int] = {}
    for option in (o for problem in problems for o in problem.options):
        for one in option.purchases:
            if one.max_units is not None:
                most = one.max_units * option.estimate.setup.instances_per_unit
                found[one.offer_id] = max(found.get(one.offer_id, 0), most)
    return found


def instances_taken(
    limits: Limits, solutions: Sequence[Solution], bought: Mapping[str, int]
) -> dict[str, Units]:
    """Instances of each limited offer that services take, shape (periods,), with what is bought of it for all."""
    periods = len(solutions[0].units) if solutions else 0
    taken = {name: np.full(periods, bought.get(name, 0), dtype=np.int64) for name in limits}
    for solution in solutions:
        for column, units in zip(solution.columns, solution.units.T, strict=True):
            name, how = column.purchase.offer_id, column.purchase.how
            if name in limits and how not in PAID_FOR_ALL:
                taken[name] += units * column.option.estimate.setup.instances_per_unit
    return taken


def overdrawn(limits: Limits, solutions: Sequence[Solution], bought: Mapping[str, int]) -> dict[str, int]:
    """The most that is taken of each offer of which more is taken than there is, by offer id."""
    peaks = {name: int(n.max(initial=0)) for name, n in instances_taken(limits, solutions, bought).items()}
    return {name: peak for name, peak in peaks.items() if peak > limits[name]}


def overdrawn_in_words(limits: Limits, solutions: Sequence[Solution], bought: Mapping[str, int]) -> str:
    """Each offer that is overdrawn, with what is taken at the peak and what there is."""
    over = overdrawn(limits, solutions, bought)
    return " and ".join(
        f"{name}: {peak:,} instances, {limits[name]:,} on offer" for name, peak in over.items()
    )


def left_by(problem: Problem, limits: Limits, before: Sequence[Solution]) -> Problem:
    """The problem with what others, each by itself, leave of limited offers in their largest hour."""
    taken = instances_taken(limits, before, {})
    left = {name: max(limits[name] - int(n.max(initial=0)), 0) for name, n in taken.items()}
    return _limited(problem, left, left)


def shared_out(
    problems: Sequence[Problem], limits: Limits, solutions: Sequence[Solution], bought: Mapping[str, int]
) -> Iterator[list[Problem]]:
    """The problems where no plan overdraws what this one does: each service, in order, with its own part by the hour,
    as large as its largest hour here while there is some left; then nothing of it by the hour."""
    over = overdrawn(limits, solutions, bought)
    left = {name: limits[name] - bought.get(name, 0) for name in over}
    parts = []
    for solution in solutions:
        own = instances_taken(over, [solution], {})
        part = {name: min(left[name], int(own[name].max())) for name in over}
        left = {name: left[name] - part[name] for name in over}
        parts.append(part)
    held = {name: bought.get(name, 0) for name in over}
    yield [_limited(problem, part, held) for problem, part in zip(problems, parts, strict=True)]
    yield [_limited(problem, dict.fromkeys(over, 0), {}) for problem in problems]


def _limited(problem: Problem, by_hour: Limits, throughout: Limits) -> Problem:
    """The problem with at most so many instances of offers, those bought by the hour and those for the whole horizon;
    offers that are not named have their own limit."""
    options = []
    for option in problem.options:
        instances, kept = option.estimate.setup.instances_per_unit, []
        for one in option.purchases:
            count = (by_hour if one.how in BY_THE_HOUR else throughout).get(one.offer_id)
            if count is None or one.max_units is None:
                kept.append(one)
            elif units := min(one.max_units, count // instances):
                kept.append(replace(one, max_units=units))
        if kept:
            options.append(replace(option, purchases=tuple(kept)))
    return replace(problem, options=tuple(options))


def on_other_offers(
    problems: Sequence[Problem], limits: Limits, solutions: Sequence[Solution], bought: Mapping[str, int]
) -> tuple[Solution, ...] | None:
    """The same machines, those by the hour of which an offer has too few at the option's cheapest offer by the hour
    without a limit, least dearer first; None where there is none, or what is overdrawn is not by the hour."""
    taken = instances_taken(limits, solutions, bought)
    columns = [{one.purchase.id: one for one in s.columns} for s in solutions]
    units = [dict(zip(known, s.units.T, strict=True)) for known, s in zip(columns, solutions, strict=True)]
    for name in overdrawn(limits, solutions, bought):
        excess = np.maximum(taken[name] - limits[name], 0)
        for s, one, other in _moves(problems, solutions, name):
            instances = one.option.estimate.setup.instances_per_unit
            mine, old, new = units[s], one.purchase.id, other.purchase.id
            moved = np.minimum(mine[old], -(-excess // instances))
            mine[old], mine[new] = mine[old] - moved, mine.get(new, 0) + moved
            columns[s].setdefault(new, other)
            excess = np.maximum(excess - moved * instances, 0)
        if excess.any():
            return None
    return tuple(
        _solution(one, known, mine) for one, known, mine in zip(solutions, columns, units, strict=True)
    )


def _moves(
    problems: Sequence[Problem], solutions: Sequence[Solution], name: str
) -> list[tuple[int, Bought, Bought]]:
    """Columns by the hour of an offer, by service, and what may run in place of each, the least dearer first."""
    found = []
    for s, (problem, solution) in enumerate(zip(problems, solutions, strict=True)):
        options = {option.id: option for option in problem.options}
        for one in solution.columns:
            if one.purchase.offer_id != name or one.purchase.how is not How.HOURLY:
                continue
            other = _unlimited(options[one.option.id])
            if other is not None:
                instances = one.option.estimate.setup.instances_per_unit
                dearer = (other.usd_per_unit_hour - one.purchase.usd_per_unit_hour) / instances
                found.append((dearer, s, one, Bought(one.option, other)))
    found.sort(key=lambda one: (one[0], one[1], one[2].purchase.id))
    return [(s, one, other) for _, s, one, other in found]


def _unlimited(option: Option) -> Purchase | None:
    """The cheapest way to pay for an option by the hour of which there is no limit."""
    some = [one for one in option.purchases if one.how is How.HOURLY and one.max_units is None]
    return min(some, key=lambda one: (one.usd_per_unit_hour, one.id), default=None)


def _solution(solution: Solution, columns: Mapping[str, Bought], units: Mapping[str, Units]) -> Solution:
    used = sorted(name for name, row in units.items() if row.any())
    return replace(
        solution,
        columns=tuple(columns[name] for name in used),
        units=np.column_stack([units[name] for name in used]),
    )
