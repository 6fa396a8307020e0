"""Prices of the caps that services share (quotas, GPUs in all) to begin with, and whether there is room at any."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from optimiser.planning.leaves import build_leaf
from optimiser.planning.problem import CONSTANT, Floats
from optimiser.planning.quota_prices import undominated_by_rate
from optimiser.planning.solve import Programme, Terms, Variable
from optimiser.planning.tables import Indices
from optimiser.planning.together.services import Place, machine_of

# Groups of hours that ask for as much, which share a price.
GROUPS = 24
# Prices beside none that hours are filled at: a menu is made at each.
LEVELS = 5
# The shares of its rent that a unit of a cap is first priced at.
SHARES = (0.1, 0.3, 1.0)
# What a unit of a cap costs where nothing of it is to be bought, USD an hour, and caps up to which each is also
# forbidden alone.
FORBIDDEN_USD, CAPS_ALONE = 1e4, 4


def has_room(place: Place) -> bool:
    """False proves that no plan keeps the caps: not even as a linear programme do all services fit.

        Σ rate · (used + hourly + spot)[s, g] ≥ total[s, g],   Σ rate · (used + hourly)[s, g] ≥ firm[s, g]
        Σ_s instances · used[s, m, g] ≤ Σ_{o of m} K[o]
        Σ_o takes[k] · K[o] + Σ_{s, i} takes[k] · (hourly + spot)[s, i, g] ≤ cap[k]     ∀ group of hours g, cap k

    in units of any size and of any number of types, with the smallest to spare: a relaxation. Groups take the mean of
    their hours, which what fits every hour fits too.
    """
    lp = Programme("caps")
    groups = _groups(place)
    bought = [lp.variable(f"bought_{n}", one.most) for n, one in enumerate(place.constants)]
    of_cap: dict[tuple[int, int], Terms] = defaultdict(list)
    of_machine: dict[tuple[int, int], Terms] = defaultdict(list)
    for k, one in zip(bought, place.constants, strict=True):
        m = place.machines.index(one.machine)
        for g in range(len(groups)):
            of_machine[m, g].append((k, -1.0))
            for cap, takes in enumerate(place.of_instance[m].tolist()):
                of_cap[cap, g].append((k, float(takes)))
    for s in range(len(place.services)):
        _add_service(lp, place, s, groups, of_cap, of_machine)
    for (m, g), terms in of_machine.items():
        lp.row(f"share_{m}_{g}", terms, "<=", 0)
    for (cap, g), terms in of_cap.items():
        lp.row(f"cap_{cap}_{g}", terms, "<=", place.caps[cap].amount)
    lp.minimise([(k, 1.0) for k in bought])
    return lp.solve().status != "infeasible"


def _add_service(
    lp: Programme,
    place: Place,
    s: int,
    groups: list[Indices],
    of_cap: dict[tuple[int, int], Terms],
    of_machine: dict[tuple[int, int], Terms],
) -> None:
    """Variables and rows of one service; adds to what is taken of caps and machines."""
    service = place.services[s]
    options = service.problem.options
    leaf, _ = build_leaf(options, service.profiles, place.caps)
    items = {
        "hourly": [leaf.hourly[i] for i in undominated_by_rate(leaf.hourly)],
        "spot": [leaf.spot[i] for i in undominated_by_rate(leaf.spot)],
    }
    level = service.profiles.at(min(option.rate_rps for option in options))
    shared = [o for o in options if any(one.how in CONSTANT for one in o.purchases)]
    for g, hours in enumerate(groups):
        weight = place.hours.weight[hours]
        firm: Terms = []
        for n, option in enumerate(shared):
            used = lp.variable(f"used_{s}_{n}_{g}")
            firm.append((used, option.rate_rps))
            instances = float(option.estimate.setup.instances_per_unit)
            of_machine[place.machines.index(machine_of(option)), g].append((used, instances))
        rows = {"hourly": firm, "spot": list[tuple[Variable, float]]()}
        for name, some in items.items():
            for n, item in enumerate(some):
                units = lp.variable(f"{name}_{s}_{n}_{g}", item.max_units)
                rows[name].append((units, item.rate))
                for cap, takes in enumerate(item.takes):
                    if takes:
                        of_cap[cap, g].append((units, float(takes)))
        total, least = (
            float(np.average(each[service.slot[hours]], weights=weight)) for each in (level.total, level.firm)
        )
        lp.row(f"total_{s}_{g}", [*firm, *rows["spot"]], ">=", total)
        lp.row(f"firm_{s}_{g}", firm, ">=", least)


def _groups(place: Place) -> list[Indices]:
    """Hours by how much of what all ask at the most they ask."""
    asked = np.sum(
        [
            service.problem.planned_rps[place.hours.first] / service.problem.planned_rps.max()
            for service in place.services
        ],
        axis=0,
    )
    parts = np.array_split(np.argsort(asked, kind="stable"), min(GROUPS, len(asked)))
    return [np.sort(part) for part in parts]


def levelled(place: Place, prices: Floats) -> Floats:
    """Prices of caps as few levels, none among them where an hour's are 0, shape (caps, hours)."""
    amount = np.array([cap.amount for cap in place.caps], dtype=np.float64)
    worth = np.maximum(amount, 1.0) @ prices
    some = np.flatnonzero(worth > 1e-9)
    found = np.zeros_like(prices)
    order = some[np.argsort(worth[some], kind="stable")]
    for part in np.array_split(order, min(LEVELS, len(order))) if len(order) else ():
        found[:, part] = np.average(prices[:, part], axis=1, weights=place.hours.weight[part])[:, None]
    return found


def levels_to_fill(prices: Floats) -> Floats:
    """The distinct prices, none, and prices at which nothing of a cap, or of any, is bought, shape (levels, caps)."""
    caps = len(prices)
    alone = np.eye(caps) if 1 < caps <= CAPS_ALONE else np.zeros((0, caps))
    forbidden = FORBIDDEN_USD * np.vstack([np.ones((1, caps)), alone])
    return np.unique(np.vstack([np.zeros((1, caps)), prices.T, forbidden]), axis=0)


def levels_to_try(place: Place) -> Floats:
    """Prices of caps to begin with, shape (caps, levels): shares of what a unit of each costs to rent."""
    found = np.zeros(len(place.caps))
    for number, cap in enumerate(place.caps):
        usd = [
            one.usd_per_unit_hour / takes
            for service in place.services
            for option in service.problem.options
            for one in option.purchases
            if (takes := cap.taken_by(option, one.how))
        ]
        found[number] = float(np.median(usd)) if usd else 0.0
    return np.outer(found, SHARES)
