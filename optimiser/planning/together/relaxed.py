"""What services together cost at least, at any price of the shared machines in each hour.

With K[o] instances of each constant offer o of a machine m, y[s, m, h] those that service s uses in hour h, and w[h]
how long the hour lasts, planning together is

    min Σ_o H · usd[o] · K[o] + Σ_s cost_s(y[s])
    Σ_s y[s, m, h] ≤ Σ_{o of m} K[o]                                              (price π[m, h] ≥ 0)
    used[m, h] ≤ Σ_s y[s, m, h]  (σ ≥ 0),  used[m, h] ≤ Σ_{o of m, committed} K[o]  (τ ≥ 0),
    Σ_h w[h] · used[m, h] ≥ (1 − q) · H · Σ_{o of m, committed} K[o]                (λ ≥ 0)

the last two lines where commitments must be in use in all but a share q < 1 of the hours: of every such offer's last
instance it holds, so it holds on average. Dropping the rows at prices leaves each service an hour by itself
(Lagrangian relaxation; Geoffrion, Mathematical Programming Study 2, 1974). With p = π − σ, and of all π, σ and τ that
make the same p those that charge the offers least (π = max(p, 0), σ + τ = λ · w), that is

    Σ_s min_{sets} Σ_h min_{ways} (w[h] · usd[way, h] + Σ_m p[m, h] · taken[way, m])  +  Σ_o min(0, c[o]) · most[o]
    c[o] = H · usd[o] − worth,   worth = Σ_h max(p[m, h], 0), where o is committed Σ_h p[m, h] + q · λ[m] · H

a lower bound at any p[m, h] ≥ −λ[m] · w[h] that leaves c[o] ≥ 0 wherever most[o] is unlimited. Caps on what runs,

    Σ_o takes[o, k] · K[o] + Σ_s taken[s, k, h]  ≤  granted[k]                     (price μ[k, h] ≥ 0, USD an hour)

are dropped at prices alike: these are in usd[way, h] and usd[o] (`Place.priced`), and Σ_{k, h} w[h] · μ[k, h] ·
granted[k] is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import CONSTANT, Floats, How, Option
from optimiser.planning.together.services import Constant, Place, Service, machine_of


@dataclass(frozen=True)
class Prices:
    """use is p, what using an instance of a machine costs in each hour, USD over the horizon, shape (machines, hours);
    credit is λ, USD per instance-hour, what a committed instance in use is credited with, shape (machines,).
    """

    use: Floats
    credit: Floats


def even_prices(place: Place) -> Prices:
    """Each machine at its cheapest constant price in every hour, as if it were shared without a gap."""
    usd = np.array([unlimited_usd(place, m) for m in range(len(place.machines))])
    return Prices(usd[:, None] * place.hours.weight, np.zeros(len(usd)))


def unlimited_usd(place: Place, machine: int) -> float:
    """A price at which no offer without limit is worth more than it costs."""
    offers = place.of_machine(machine)
    return min([one.usd for one in offers if one.most is None] or [one.usd for one in offers])


def made_valid(place: Place, prices: Prices, share: float) -> Prices:
    """The prices, lowered as far as needed to give a bound."""
    credit = np.maximum(prices.credit, 0.0) if share < 1 else np.zeros_like(prices.credit)
    lowest = -credit[:, None] * place.hours.weight
    use = np.maximum(prices.use, lowest)
    for m in range(len(place.machines)):
        unlimited = [one for one in place.of_machine(m) if one.most is None]
        for one in sorted(unlimited, key=_is_committed):
            most = place.hours.total * one.usd
            if _is_committed(one, share):
                use[m] = _lowered(use[m], lowest[m], most - share * credit[m] * place.hours.total)
            elif (paid := np.maximum(use[m], 0.0)).sum() > most:
                use[m] = np.where(use[m] > 0, _lowered(paid, np.zeros_like(paid), most), use[m])
    return Prices(use, credit)


def _is_committed(one: Constant, share: float = 0.0) -> bool:
    return one.how is How.COMMITMENT and share < 1


def _lowered(values: Floats, lowest: Floats, most: float) -> Floats:
    """The nearest point to values, none below lowest, that sums to no more than most (lowest itself where none does):
    max(values − θ, lowest), the projection on a simplex (Held, Wolfe and Crowder, Mathematical Programming 6, 1974)."""
    if values.sum() <= most:
        return values
    above = np.sort(values - lowest)[::-1]
    room = most - lowest.sum()
    if room <= 0:
        return lowest
    theta = (np.cumsum(above) - room) / np.arange(1, len(above) + 1)
    last = int(np.flatnonzero(above > theta)[-1])
    nearest: Floats = np.maximum(values - theta[last], lowest)
    return nearest


def worth_usd(place: Place, prices: Prices, one: Constant, share: float) -> float:
    """What one more instance of an offer is worth over the horizon."""
    use = prices.use[place.machines.index(one.machine)]
    if _is_committed(one, share):
        credit = float(prices.credit[place.machines.index(one.machine)])
        return float(use.sum()) + share * credit * place.hours.total
    return float(np.maximum(use, 0.0).sum())


def constants_usd(place: Place, prices: Prices, share: float) -> float:
    """Σ_o min(0, c[o]) · most[o]: what limited offers are worth beyond their price, as a cost, and what is granted at
    the prices of caps; minus infinity at prices that are no bound."""
    total = -place.granted_usd
    for one in place.constants:
        left = place.hours.total * one.usd - worth_usd(place, prices, one, share)
        if one.most is not None:
            total += min(left, 0.0) * one.most
        elif left < -1e-9 * place.hours.total * max(one.usd, 1.0):
            return -np.inf
    return total


def relaxed_usd(place: Place, service: Service, sets: Sequence[Sequence[Option]], of_use: Floats) -> Floats:
    """What each set of options costs a service at least at prices of use, USD over the horizon, shape (sets,).

    Units divisible, pools unlimited, no floor: firm capacity at the cheapest way to have it in the hour, the rest at
    the cheapest of that and spot. Where using a machine is paid for rather than paid, as much of it as can be useful.
    """
    firm, spot = _unit_usd(place, service, of_use)
    numbers = {option.id: number for number, option in enumerate(service.problem.options)}
    largest = np.array([max(option.rate_rps for option in options) for options in sets])
    usd = np.empty(len(sets))
    for rate in np.unique(largest):
        some = np.flatnonzero(largest == rate)
        members = [[numbers[option.id] for option in sets[n]] for n in some.tolist()]
        size = max(map(len, members))
        # The options of a smaller set stand in it several times.
        index = np.array([(one * size)[:size] for one in members])
        by_firm, by_spot = firm[index].min(axis=1), spot[index].min(axis=1)
        usd[some] = _sets_usd(service, float(rate), by_firm, by_spot) @ place.hours.weight
    return usd


def _unit_usd(place: Place, service: Service, of_use: Floats) -> tuple[Floats, Floats]:
    """What a request a second costs at least in each hour on each option, firm and on spot, inf where it cannot be had,
    shapes (options, hours)."""
    weight, options = place.hours.weight, service.problem.options
    firm, spot = np.full((2, len(options), len(weight)), np.inf)
    for n, option in enumerate(options):
        for one in option.purchases:
            row = {How.HOURLY: firm, How.SPOT: spot}.get(one.how)
            if row is not None:
                row[n] = np.minimum(row[n], one.usd_per_unit_hour + place.dearer_by(option, one.how))
        if any(one.how in CONSTANT for one in option.purchases):
            each = option.estimate.setup.instances_per_unit * of_use[place.machines.index(machine_of(option))]
            firm[n] = np.minimum(firm[n], each / weight + service.in_use_usd[option.id])
    rates = np.array([option.rate_rps for option in options])[:, None]
    return firm / rates, spot / rates


def _sets_usd(service: Service, largest: float, by_firm: Floats, by_spot: Floats) -> Floats:
    """What sets of one largest rate cost in each hour, where a request a second costs as much, shapes (sets, hours)."""
    level = service.profiles.at(largest)
    total, least_firm = level.total[service.slot], level.firm[service.slot]
    beyond = np.maximum(total, service.problem.policy.min_firm_instances * largest) + largest
    with np.errstate(invalid="ignore"):
        paid = np.where(least_firm > 1e-9, by_firm * least_firm, 0.0)
        rest = np.minimum(by_firm, by_spot)
        paid = paid + np.where(total - least_firm > 1e-9, rest * (total - least_firm), 0.0)
        return np.where(by_firm < 0, by_firm * beyond, paid)
