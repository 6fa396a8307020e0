"""The proven optimum of small services together, from the formulas alone, by a model written only for tests.

One model for each site and choice of every service's types and its smallest and largest unit: whole units of each
service in each period, and of every offer that runs throughout as many instances as all services use of it at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

from independent_optimum import Rows, required

from optimiser.planning.problem import Option, Problem, Purchase
from optimiser.policy import Policy

CONSTANT = ("commitment", "held_on_demand", "owned")
Choice = tuple[tuple[Option, ...], float]
Column = tuple[int, Option, Purchase]


def together_usd(problems: list[Problem]) -> float:
    """USD over the horizon of the cheapest plan of all services in one site; inf where there is none."""
    sites = set.intersection(*({o.site for o in problem.options} for problem in problems))
    best = math.inf
    for site in sorted(sites):
        choices = [_choices(problem, site) for problem in problems]
        for chosen in product(*choices):
            best = min(best, _cheapest(problems, chosen, best))
    return best


def _choices(problem: Problem, site: tuple[str, str]) -> list[Choice]:
    """Options that a service may use together, and the largest unit that it keeps spare."""
    here = [o for o in problem.options if o.site == site]
    types = sorted({o.instance_type for o in here})
    kinds = min(problem.policy.max_instance_types or len(types), len(types))
    found = {}
    for names in combinations(types, kinds):
        rates = {o.rate_rps for o in here if o.instance_type in names}
        for largest in rates:
            inside = tuple(o for o in here if o.instance_type in names and o.rate_rps <= largest)
            found[frozenset(o.id for o in inside), largest] = (inside, largest)
    return list(found.values())


def _cheapest(problems: list[Problem], chosen: tuple[Choice, ...], below: float) -> float:
    """The cost where it is below so much. Without a limit on commitments (commitment_hours_share 1)."""
    periods = problems[0].periods
    columns = [(s, o, p) for s, (options, _) in enumerate(chosen) for o in options for p in o.purchases]
    offers = sorted({p.offer_id for _, _, p in columns if p.how.value in CONSTANT})
    first = len(columns) * len(periods)
    model = Rows(first + len(offers), 0)
    used: dict[tuple[str, int], dict[int, float]] = {}
    for c, (_, option, purchase) in enumerate(columns):
        instances = option.estimate.setup.instances_per_unit
        for p, period in enumerate(periods):
            variable = c * len(periods) + p
            if purchase.how.value in CONSTANT:
                number = first + offers.index(purchase.offer_id)
                in_use = _more_in_use_usd(problems[0].policy, option)
                idle = (purchase.usd_per_unit_hour - in_use) / instances
                model.cost[number] = idle * sum(x.hours for x in periods)
                model.cost[variable] = in_use * period.hours
                if purchase.max_units is not None:
                    model.upper[number] = purchase.max_units * instances
                used.setdefault((purchase.offer_id, p), {number: -1.0})[variable] = float(instances)
            else:
                model.cost[variable] = purchase.usd_per_unit_hour * period.hours
    for terms in used.values():
        model.row(terms, -math.inf, 0.0)
    for terms, amount in _cap_rows(problems, columns, offers, first):
        model.row(terms, -math.inf, amount)
    for terms, amount in _offer_rows(len(periods), columns, offers, first):
        model.row(terms, -math.inf, amount)
    _require(model, problems, chosen, columns)
    return model.minimum(below)


def _more_in_use_usd(policy: Policy, option: Option) -> float:
    """USD an hour that a unit's carbon weighs more at its planned rate than without a request."""
    grid, energy = option.footprint, option.energy
    if grid is None or energy is None:
        return 0.0
    watts = grid.watts_per_unit - energy.draw.watts(0.0)
    return policy.carbon_usd_per_tonne / 1000 * watts / 1000 * grid.pue * grid.gco2_per_kwh / 1000


def _require(model: Rows, problems: list[Problem], chosen: tuple[Choice, ...], columns: list[Column]) -> None:
    """What each service asks by itself."""
    periods = problems[0].periods
    for s, (problem, (_, largest)) in enumerate(zip(problems, chosen, strict=True)):
        mine = [c for c, (service, _, _) in enumerate(columns) if service == s]
        for p, period in enumerate(problem.periods):
            planned = period.demand[0][0].planned_rps
            total = required(problem, planned, largest)
            at = {c: c * len(periods) + p for c in mine}
            firm = [c for c in mine if columns[c][2].how.value != "spot"]
            model.row({at[c]: columns[c][1].rate_rps for c in mine}, total, math.inf)
            share = (1 - problem.policy.max_spot_share) * total
            model.row({at[c]: columns[c][1].rate_rps for c in firm}, share, math.inf)
            model.row({at[c]: 1.0 for c in firm}, problem.policy.min_firm_instances, math.inf)
            for pool in {columns[c][2].pool for c in mine} - {""}:
                inside = {at[c]: columns[c][1].rate_rps for c in mine if columns[c][2].pool == pool}
                if problem.policy.survive_spot_pool_loss:
                    model.row(inside, -math.inf, total - planned)


def _offer_rows(
    periods: int, columns: list[Column], offers: list[str], first: int
) -> Iterator[tuple[dict[int, float], float]]:
    """What all services take by the hour of each limited offer, in each period, beside all that is bought of it."""
    limited = {
        p.offer_id: 0 for _, _, p in columns if p.max_units is not None and p.how.value not in CONSTANT
    }
    for _, option, purchase in columns:
        if purchase.offer_id in limited and purchase.max_units is not None:
            instances = purchase.max_units * option.estimate.setup.instances_per_unit
            limited[purchase.offer_id] = max(limited[purchase.offer_id], instances)
    for (name, amount), p in product(limited.items(), range(periods)):
        terms = {first + offers.index(name): 1.0} if name in offers else {}
        for c, (_, option, purchase) in enumerate(columns):
            if purchase.offer_id == name and purchase.how.value not in CONSTANT:
                terms[c * periods + p] = float(option.estimate.setup.instances_per_unit)
        yield terms, float(amount)


def _cap_rows(
    problems: list[Problem], columns: list[Column], offers: list[str], first: int
) -> Iterator[tuple[dict[int, float], float]]:
    """What all services take of each quota, and of GPUs in all, in each period: of an offer that runs throughout, all
    that is bought."""
    periods, policy = len(problems[0].periods), problems[0].policy
    caps = [(tuple(q.key), q.amount) for q in problems[0].quotas] if policy.within_quotas else []
    for key, amount in [*caps, *([] if policy.max_gpus is None else [(None, policy.max_gpus)])]:
        for p in range(periods):
            terms: dict[int, float] = {}
            for c, (_, option, purchase) in enumerate(columns):
                spot, shape = purchase.how.value == "spot", option.shape
                family = shape.spot_quota_family if spot else shape.quota_family
                takes = shape.gpu_count if key is None else shape.quota_count
                if key is not None and key != (option.provider, option.region, family, spot):
                    continue
                if purchase.how.value in CONSTANT:
                    terms[first + offers.index(purchase.offer_id)] = float(takes)
                else:
                    terms[c * periods + p] = float(takes * option.estimate.setup.instances_per_unit)
            if terms:
                yield terms, float(amount)
