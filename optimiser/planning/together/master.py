"""Numbers of shared machines to round from: a programme over the ways of some sets of options of each service.

    min Σ_o H · usd[o] · K[o] + Σ_{s, set, h, way} cost[s, set, h, way] · x[s, set, h, way]
    Σ_set z[s, set] = 1,   Σ_way x[s, set, h, way] = z[s, set]
    Σ_{s, set, way} taken[s, set, h, way, m] · x[s, set, h, way] ≤ Σ_{o of m} K[o]
    Σ_o takes[o, k] · K[o] + Σ_{s, set, way} takes[s, set, h, way, k] · x[s, set, h, way] ≤ granted[k]

linear, or with whole numbers K and z (`divided`), or z alone over some of the hours (`fitting`): hours mix ways in any.
The rule on what is committed is left to the rounding, or holds on average where a share of hours is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.solve import Programme, Terms, Variable, value
from optimiser.planning.tables import Indices
from optimiser.planning.together.services import Place
from optimiser.planning.together.ways import Ways

# How near the best whole numbers are, and the nodes that are looked at for them.
WHOLE_GAP, WHOLE_NODES = 2e-3, 100
# Hours that sets are chosen by, and to what gap and number of nodes.
HOURS_TO_FIT, FITTED_GAP, FITTED_NODES = 16, 0.005, 100
# Where hours are many: so many of the dearest, each for itself, and so many of the others, which stand for the rest.
TIGHT_HOURS, OTHER_HOURS = 24, 18
# How much dearer one set alone may make all before the others that its service takes are tried in its place.
WORTH_ANOTHER_SET = 5e-4
# A set is taken wholly where less than that of it is not, and not at all where less is.
WHOLLY = 1e-6
Picks = list[list[tuple[Variable, int]]]
Used = dict[tuple[int, int], Terms]


@dataclass(frozen=True)
class Divided:
    """usd over the horizon; machines, how many instances of each it takes, shape (machines,); use, what one more of a
    machine, and then of a cap, costs in each hour, shape (machines + caps, hours), 0 of whole numbers; shares, how much
    of each of its sets each service takes; ways, the way of its menu that each service takes most with the set it takes
    most of, each (hours,)."""

    usd: float
    machines: Floats
    use: Floats
    shares: tuple[Floats, ...]
    ways: tuple[Indices, ...]


class _Model(NamedTuple):
    """The programme, its variables of sets, the ways of each set, and what is bought of each machine and cap as it
    counts in the rows of what is used of them."""

    programme: Programme
    sets: list[list[Variable]]
    taken_up: list[list[Picks]]
    offers: list[Terms]
    used: Used


def divided(
    place: Place, services: Sequence[Sequence[Ways]], *, whole: bool = False, share: float = 1.0
) -> Divided | None:
    """The least cost of sharing machines where hours may mix ways, services mix sets and machines be bought in part,
    or, whole, the latter two may not; commitments in use, on average, in all but a share of the hours; None without an
    answer."""
    model = _modelled(
        place, services, _every_hour(place), whole_machines=whole, whole_sets=whole, share=share
    )
    solved = model.programme.solve(gap=WHOLE_GAP, nodes=WHOLE_NODES) if whole else model.programme.solve()
    return None if solved.usd is None else _read(model, place, solved.usd, whole=whole)


def dived(
    place: Place, services: Sequence[Sequence[Ways]], share: float = 1.0, first: int = 1
) -> list[int] | None:
    """The number of one set of each service's where hours may mix ways and machines be bought in part, chosen one
    service after the other, the least evenly mixed first. None without an answer.

    Every so many of the hours, first of them, stand for all: they take a fraction of the time.
    """
    weight = place.hours.weight
    hours = np.arange(len(weight))[::first]
    often = dict.fromkeys(hours.tolist(), float(weight.sum() / weight[hours].sum()))
    model = _modelled(place, services, often, whole_machines=False, whole_sets=False, share=share)
    usd = model.programme.solve().usd
    return None if usd is None else _fixed(model, usd)


def _fixed(model: _Model, usd: float) -> list[int] | None:
    """One set of each service's after the other, in a linear programme that is solved and costs usd: what it takes
    most, or, where that costs much more, that of what it takes which costs least."""
    every = [one for some in model.sets for one in some]
    while True:
        shares = _shares(model)
        mixed = [s for s, one in enumerate(shares) if WHOLLY < one.max() < 1 - WHOLLY]
        if not mixed:
            return [int(one.argmax()) for one in shares]
        s = max(mixed, key=lambda s: float(shares[s].max()))
        tried: list[tuple[float, int]] = []
        for number in _taken_most_first(shares[s]):
            found = model.programme.solve_again(_only(model, s, number), every)
            tried.append((np.inf if found is None else found, number))
            if tried[-1][0] <= usd * (1 + WORTH_ANOTHER_SET):
                break
        usd, best = min(tried)
        if not np.isfinite(usd):
            return None
        if best != tried[-1][1]:
            model.programme.solve_again(_only(model, s, best), every)


def _taken_most_first(shares: Floats) -> list[int]:
    return [n for n in np.argsort(-shares, kind="stable").tolist() if shares[n] > WHOLLY]


def _only(model: _Model, s: int, number: int) -> dict[Variable, float]:
    return {one: float(n == number) for n, one in enumerate(model.sets[s])}


def _every_hour(place: Place) -> dict[int, float]:
    return dict.fromkeys(range(len(place.hours.weight)), 1.0)


def _read(model: _Model, place: Place, usd: float, *, whole: bool) -> Divided:
    price = np.zeros((len(model.offers), len(place.hours.weight)))
    for m, hour in () if whole else model.used:
        price[m, hour] = max(-model.programme.price(f"share_{m}_{hour}"), 0.0)
    bought = model.offers[: len(place.machines)]
    machines = np.array([-sum(value(k) * sign for k, sign in terms) for terms in bought])
    shares = _shares(model)
    most = tuple(
        np.array([max(picks, key=lambda one: value(one[0]))[1] for picks in by_hour[int(share.argmax())]])
        for by_hour, share in zip(model.taken_up, shares, strict=True)
    )
    return Divided(usd, machines, price, shares, most)


def rounded(place: Place, services: Sequence[Sequence[Ways]]) -> Divided | None:
    """Whole numbers with the prices of the mix; the mix where there are none; None without an answer."""
    mixed = divided(place, services)
    whole = None if mixed is None else divided(place, services, whole=True)
    return mixed if mixed is None or whole is None else replace(whole, use=mixed.use)


def fitting(place: Place, services: Sequence[Sequence[Ways]]) -> list[int] | None:
    """Which set of each service's to use so that all have room at least cost, judged by some of the hours: as whole
    numbers where these are few, else one service after the other. None where none were found."""
    if len(place.hours.weight) > TIGHT_HOURS + OTHER_HOURS:
        hours = _tight_and_others(place, services)
        model = _modelled(place, services, hours, whole_machines=False, whole_sets=False)
        usd = model.programme.solve().usd
        return None if usd is None else _fixed(model, usd)
    hours = _to_fit(place, services)
    model = _modelled(place, services, hours, whole_machines=False, whole_sets=True)
    if model.programme.solve(gap=FITTED_GAP, nodes=FITTED_NODES).usd is None:
        return None
    return [int(share.argmax()) for share in _shares(model)]


def _shares(model: _Model) -> tuple[Floats, ...]:
    return tuple(np.array([value(one) for one in some]) for some in model.sets)


def _to_fit(place: Place, services: Sequence[Sequence[Ways]]) -> dict[int, float]:
    """Hours to judge by, from the cheapest to the dearest, and how many of its weight each stands for."""
    weight, order = place.hours.weight, _cheapest_first(place, services)
    parts = np.array_split(order, min(HOURS_TO_FIT, len(order)))
    return {int(part[-1]): float(weight[part].sum() / weight[part[-1]]) for part in parts}


def _tight_and_others(place: Place, services: Sequence[Sequence[Ways]]) -> dict[int, float]:
    """The dearest hours, in one of which caps leave the least room, each as often as it is; others for all the rest."""
    weight, order = place.hours.weight, _cheapest_first(place, services)
    rest = np.sort(order[:-TIGHT_HOURS])
    some = rest[np.linspace(0, len(rest) - 1, OTHER_HOURS).round().astype(np.int64)]
    often = float(weight[rest].sum() / weight[some].sum())
    return dict(
        sorted([(h, 1.0) for h in order[-TIGHT_HOURS:].tolist()] + [(h, often) for h in some.tolist()])
    )


def _cheapest_first(place: Place, services: Sequence[Sequence[Ways]]) -> Indices:
    """Hours by what they cost at least beside shared machines with each service's first set."""
    least = np.sum([ways[0].cost.min(axis=1) / place.hours.weight for ways in services], axis=0)
    return np.argsort(least, kind="stable")


def _modelled(
    place: Place,
    services: Sequence[Sequence[Ways]],
    hours: Mapping[int, float],
    *,
    whole_machines: bool,
    whole_sets: bool,
    share: float = 1.0,
) -> _Model:
    """The programme over hours, each as often as it says."""
    programme = Programme("shared")
    bought = [
        programme.variable(f"bought_{n}", one.most, whole=whole_machines)
        for n, one in enumerate(place.constants)
    ]
    cost: Terms = [(k, one.usd * place.hours.total) for k, one in zip(bought, place.constants, strict=True)]
    model = _Model(programme, [], [], _offers(place, bought), defaultdict(list))
    for s, some in enumerate(services):
        sets = [programme.variable(f"set_{s}_{n}", 1, whole=whole_sets) for n in range(len(some))]
        programme.row(f"sets_{s}", [(one, 1.0) for one in sets], "=", 1)
        model.sets.append(sets)
        model.taken_up.append(
            [_take_up(model, cost, place, f"{s}_{n}", ways, sets[n], hours) for n, ways in enumerate(some)]
        )
    for cap, hour in product(range(len(place.machines), len(model.offers)), hours):
        if model.offers[cap]:
            model.used[cap, hour] += []
    amount = [0] * len(place.machines) + [cap.amount for cap in place.caps]
    for (m, hour), terms in model.used.items():
        programme.row(f"share_{m}_{hour}", [*terms, *model.offers[m]], "<=", amount[m])
    if share < 1:
        _in_use(model, place, bought, hours, share)
    programme.minimise(cost)
    return model


def _in_use(
    model: _Model, place: Place, bought: Sequence[Variable], hours: Mapping[int, float], share: float
) -> None:
    """The rows of `relaxed` on what is committed: used ≤ Σ taken, used ≤ Σ K, Σ_h w · used ≥ (1 − share) · H · Σ K."""
    programme, weight = model.programme, place.hours.weight.tolist()
    for m, machine in enumerate(place.machines):
        committed = [
            k
            for k, one in zip(bought, place.constants, strict=True)
            if one.machine == machine and one.how is How.COMMITMENT
        ]
        if not committed:
            continue
        of_use: Terms = [(k, -(1 - share) * place.hours.total) for k in committed]
        for hour, often in hours.items():
            used = programme.variable(f"used_{m}_{hour}")
            of_use.append((used, often * weight[hour]))
            programme.row(f"up_{m}_{hour}", [(used, 1.0), *((k, -1.0) for k in committed)], "<=", 0)
            taken = [(one, -count) for one, count in model.used.get((m, hour), ())]
            programme.row(f"in_{m}_{hour}", [(used, 1.0), *taken], "<=", 0)
        programme.row(f"of_use_{m}", of_use, ">=", 0)


def _offers(place: Place, bought: Sequence[Variable]) -> list[Terms]:
    """What is bought of each machine, less than nothing, and what it takes of each cap."""
    machines = [place.machines.index(one.machine) for one in place.constants]
    of_machine: list[Terms] = [
        [(k, -1.0) for k, machine in zip(bought, machines, strict=True) if machine == m]
        for m in range(len(place.machines))
    ]
    of_cap: list[Terms] = [
        [(k, float(each[machine])) for k, machine in zip(bought, machines, strict=True)]
        for each in place.of_instance.T
    ]
    return of_machine + of_cap


def _take_up(
    model: _Model,
    cost: Terms,
    place: Place,
    name: str,
    ways: Ways,
    of_set: Variable,
    hours: Mapping[int, float],
) -> Picks:
    """The ways of one set in each hour, and of which of its menu each is; adds to the cost and to what is used."""
    found: Picks = []
    for hour, often in hours.items():
        index = ways.index[hour].tolist()
        picks: list[tuple[Variable, int]] = []
        for k in range(len(index)):
            if index[k] in index[:k] or not np.isfinite(ways.cost[hour, k]):
                continue
            pick = model.programme.variable(f"way_{name}_{hour}_{k}")
            picks.append((pick, index[k]))
            cost.append((pick, float(ways.cost[hour, k]) * often))
            taken = zip(ways.machines.tolist(), ways.taken[:, hour, k].tolist(), strict=True)
            takes = enumerate(ways.takes[hour, k].tolist(), start=len(place.machines))
            for number, count in (*taken, *takes):
                if count:
                    model.used[number, hour].append((pick, count))
        one: Terms = [(pick, 1.0) for pick, _ in picks]
        model.programme.row(f"one_{name}_{hour}", [*one, (of_set, -1.0)], "=", 0)
        found.append(picks)
    return found
