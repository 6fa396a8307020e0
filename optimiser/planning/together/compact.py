"""Prices of shared machines to start from: those of the linear programme in which every unit is divisible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import CONSTANT, Floats, How, Option
from optimiser.planning.solve import Programme, Terms, Variable, value
from optimiser.planning.together.relaxed import Prices, even_prices, made_valid
from optimiser.planning.together.services import Machine, Place, machine_of

Key = tuple[int, int]


@dataclass(frozen=True)
class Divided:
    """prices that share divisible units best, and how many instances of each machine that takes, shape (machines,)."""

    prices: Prices
    machines: Floats


def compact(place: Place, options: Sequence[Sequence[Option]], share: float) -> Divided | None:
    """How divisible units of some options of each service would be shared; None without an answer.

    min Σ_o H · usd[o] · K[o] + Σ_{s, h} w[h] · (by the hour and on spot)
    Σ_i rate[i] · firm units[s, i, h] ≥ F[s, h],   with spot ≥ T[s, h],   and the rows of `relaxed`
    """
    model = Programme("compact")
    weight, total = place.hours.weight, place.hours.total
    bought = {one.offer_id: model.variable(f"bought_{n}", one.most) for n, one in enumerate(place.constants)}
    cost: Terms = [(bought[one.offer_id], one.usd * total) for one in place.constants]
    use: dict[Key, Terms] = defaultdict(list)
    for s, chosen in enumerate(options):
        cost += _service_rows(model, place, s, chosen, use)
    committed = [m for m in range(len(place.machines)) if share < 1 and _committed(place, m)]
    for m in range(len(place.machines)):
        offers: Terms = [(bought[one.offer_id], -1.0) for one in place.of_machine(m)]
        for hour in range(len(weight)):
            model.row(f"share_{m}_{hour}", use[m, hour] + offers, "<=", 0)
    for m in committed:
        _limit(model, place, m, share, bought, use)
    model.minimise(cost)
    if model.solve().status != "optimal":
        return None
    price = np.zeros((len(place.machines), len(weight)))
    credit = np.zeros(len(place.machines))
    for m, hour in np.ndindex(price.shape):
        price[m, hour] = -model.price(f"share_{m}_{hour}")
        if m in committed:
            price[m, hour] += model.price(f"used_{m}_{hour}")
    for m in committed:
        credit[m] = model.price(f"in_use_{m}")
    by_machine = [place.of_machine(m) for m in range(len(place.machines))]
    machines = np.array([sum(value(bought[one.offer_id]) for one in inside) for inside in by_machine])
    return Divided(made_valid(place, Prices(_with_the_idle(place, price), credit), share), machines)


def _with_the_idle(place: Place, price: Floats) -> Floats:
    """The prices, with what a machine's offer costs and its hours do not yet pay charged to all hours alike where
    it can be had by the hour instead, else as all machines are charged."""
    paid = np.maximum(price, 0.0)
    even = even_prices(place).use
    left = np.maximum(even.sum(axis=1) - paid.sum(axis=1), 0.0)[:, None]
    alike = place.hours.weight / place.hours.total
    held = np.array([not _by_the_hour(place, machine) for machine in place.machines])[:, None]
    peaked = paid.sum(axis=0) / paid.sum() if paid.sum() else alike
    filled: Floats = price + left * np.where(held, peaked, alike)
    return filled


def _by_the_hour(place: Place, machine: Machine) -> bool:
    return any(
        one.how is How.HOURLY
        for service in place.services
        for option in service.problem.options
        if machine_of(option) == machine
        for one in option.purchases
    )


def _committed(place: Place, machine: int) -> list[str]:
    """Offers of commitments to a machine."""
    return [one.offer_id for one in place.of_machine(machine) if one.how is How.COMMITMENT]


def _service_rows(
    model: Programme, place: Place, s: int, chosen: Sequence[Option], use: dict[Key, Terms]
) -> Terms:
    """A service's own rows; adds what it uses to use, and returns what its hours cost."""
    service = place.services[s]
    cost: Terms = []
    level = service.profiles.at(max(option.rate_rps for option in chosen))
    spot_usd = min(
        (p.usd_per_unit_hour / o.rate_rps for o in chosen for p in o.purchases if p.how is How.SPOT),
        default=None,
    )
    for hour, slot in enumerate(service.slot.tolist()):
        if level.total[slot] <= 0:
            continue
        weight = float(place.hours.weight[hour])
        firm: Terms = []
        for i, option in enumerate(chosen):
            by_hour = [p.usd_per_unit_hour for p in option.purchases if p.how is How.HOURLY]
            if by_hour:
                units = model.variable(f"hourly_{s}_{i}_{hour}")
                cost.append((units, min(by_hour) * weight))
                firm.append((units, option.rate_rps))
            if any(p.how in CONSTANT for p in option.purchases):
                units = model.variable(f"units_{s}_{i}_{hour}")
                firm.append((units, option.rate_rps))
                machine = place.machines.index(machine_of(option))
                use[machine, hour].append((units, float(option.estimate.setup.instances_per_unit)))
        model.row(f"firm_{s}_{hour}", firm, ">=", float(level.firm[slot]))
        if spot_usd is not None:
            rps = model.variable(f"spot_{s}_{hour}")
            cost.append((rps, spot_usd * weight))
            firm = [*firm, (rps, 1.0)]
        model.row(f"total_{s}_{hour}", firm, ">=", float(level.total[slot]))
    return cost


def _limit(
    model: Programme,
    place: Place,
    m: int,
    share: float,
    bought: dict[str, Variable],
    use: dict[Key, Terms],
) -> None:
    """The rows of what is committed of a machine: in use on average in all but the share of the hours."""
    committed = [bought[offer_id] for offer_id in _committed(place, m)]
    in_use: Terms = [(one, -(1 - share) * place.hours.total) for one in committed]
    for hour, weight in enumerate(place.hours.weight.tolist()):
        used = model.variable(f"use_{m}_{hour}")
        in_use.append((used, weight))
        less: Terms = [(variable, -count) for variable, count in use[m, hour]]
        model.row(f"used_{m}_{hour}", [(used, 1.0), *less], "<=", 0)
        model.row(f"committed_{m}_{hour}", [(used, 1.0), *((one, -1.0) for one in committed)], "<=", 0)
    model.row(f"in_use_{m}", in_use, ">=", 0)
