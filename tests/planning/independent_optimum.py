"""The proven optimum of a small problem, from the rules' formulas alone, by a model written only for tests.

Whole units, one variable per purchase and period, solved by HiGHS without PuLP. Which unit is the largest and
which the smallest in use is not modelled but tried: every choice of sites, types, largest and smallest rate is
its own small model, and the cheapest of all is the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product

import highspy
import numpy as np

from optimiser.planning.problem import Option, Problem, Purchase

Column = tuple[Option, Purchase]
MOST_MOVED = 100.0  # more than any case runs
STRICTLY = 1e-4  # "below", well above the tolerance of the solver and well below any rate


def optimum_usd(problem: Problem) -> float:
    """USD over the horizon of the cheapest plan the policy allows; inf where there is none."""
    best = math.inf
    tried = set()
    for options, surge in _with_their_surge(problem):
        rates = sorted({option.rate_rps for option in options})
        for smallest, largest in product(rates, rates):
            inside = tuple(o for o in options if smallest <= o.rate_rps <= largest)
            key = (frozenset(o.id for o in inside), smallest, largest, surge)
            if inside and key not in tried:
                tried.add(key)
                best = min(best, _cheapest(problem, inside, smallest, largest, surge, best))
                if problem.policy.scale_to_zero_within_s is not None:
                    best = min(
                        best, _cheapest(problem, inside, smallest, largest, surge, best, may_idle=True)
                    )
    return best


def _with_their_surge(problem: Problem) -> Iterator[tuple[list[Option], float]]:
    """Every choice of sites and types, cut at each price of an extra instance: that is then what the dearest costs."""
    given = problem.policy.deployment
    hours = sum(period.hours for period in problem.periods) * given.hours_per_week / 168
    for options in _choices(problem):
        usd = {o.id: hours * _surge_usd_per_hour(o, given.surge_instances) for o in options}
        for most in sorted(set(usd.values())):
            yield [o for o in options if usd[o.id] <= most], most


def _surge_usd_per_hour(option: Option, instances: int) -> float:
    """Whole units of at least so many instances, on demand; else as spot says, or as the dearest way to pay."""
    by_hour = [
        p.billed
        for p in option.purchases
        if p.how.value in ("on_demand", "held_on_demand") and p.max_units is None
    ]
    units = math.ceil(instances / option.estimate.setup.instances_per_unit)
    return units * (min(by_hour) if by_hour else max(p.billed for p in option.purchases))


def _choices(problem: Problem) -> Iterator[list[Option]]:
    policy = problem.policy
    sites = sorted({o.site for o in problem.options})
    types = sorted({o.instance_type for o in problem.options})
    at_once = len(sites) if policy.max_sites is None else min(policy.max_sites, len(sites))
    kinds = len(types) if policy.max_instance_types is None else min(policy.max_instance_types, len(types))
    for places in combinations(sites, at_once):
        for names in combinations(types, kinds):
            yield [o for o in problem.options if o.site in places and o.instance_type in names]


def required(problem: Problem, planned: float, largest: float) -> float:
    """max(d / ceiling, d + k·t), k units of t req/s that may be lost, d / (1 − 1/z) + t over z zones; else nothing."""
    if planned <= 0:
        return 0.0
    plain = planned / problem.policy.utilisation_ceiling
    spare = problem.policy.survive_instance_losses * largest
    return max(plain, planned + spare, _without_zone(problem, planned, largest), _elsewhere(problem, planned))


def _without_zone(problem: Problem, planned: float, largest: float) -> float:
    zones = problem.policy.survive_zone_loss_of
    return planned / (1 - 1 / zones) + largest if zones and planned > 0 else 0.0


def _elsewhere(problem: Problem, planned: float) -> float:
    """What a region carries where another is lost."""
    return planned * problem.on_region_loss if problem.on_region_loss > 1 else 0.0


def asked(problem: Problem) -> list[tuple[float, float]]:
    """Of every period of every scenario what is planned, req/s, and its hours by the scenario's probability."""
    return [
        (period.demand[s][0].planned_rps, period.hours * scenario.probability)
        for s, scenario in enumerate(problem.scenarios)
        for period in problem.periods
    ]


def low_hours_rps(problem: Problem, share: float) -> float:
    """Demand at the quantile of hours, lowest first."""
    ranked = sorted(
        (one.planned_rps if one.committable_rps is None else one.committable_rps, hours)
        for one, hours in (
            (period.demand[s][0], period.hours * scenario.probability)
            for s, scenario in enumerate(problem.scenarios)
            for period in problem.periods
        )
    )
    total, seen = sum(hours for _, hours in ranked), 0.0
    for value, hours in ranked:
        seen += hours
        if seen >= share * total - 1e-9:
            return value
    raise AssertionError("a share is at most 1")


def _cheapest(
    problem: Problem,
    options: tuple[Option, ...],
    smallest: float,
    largest: float,
    surge_usd: float,
    below: float,
    *,
    may_idle: bool = False,
) -> float:
    """The cost where it is below so much, else inf or more.

    may_idle: nothing need run in hours without demand, and nothing that starts late runs by the hour."""
    policy, periods = problem.policy, asked(problem)
    columns: list[Column] = [(o, p) for o in options for p in o.purchases]
    # Counts, then starts and stops, each per column and period; then whether a period changes anything.
    counts = len(columns) * len(periods)
    promised = len(policy.minimum_monthly_usd_by_provider) * len(problem.scenarios)
    model = Rows(3 * counts + len(periods), promised)

    def at(c: int, p: int) -> int:
        return c * len(periods) + p

    _keep_own(model, problem, columns, may_idle=may_idle)
    firm = [c for c, (_, purchase) in enumerate(columns) if purchase.how.value != "spot"]
    for p, (planned, _) in enumerate(periods):
        total = required(problem, planned, largest)
        model.row({at(c, p): o.rate_rps for c, (o, _) in enumerate(columns)}, total, math.inf)
        share = (1 - policy.max_spot_share) * total
        share = max(share, _without_zone(problem, planned, largest), _elsewhere(problem, planned))
        if policy.survive_spot_region_loss:
            share = max(share, planned)
        model.row({at(c, p): columns[c][0].rate_rps for c in firm}, share, math.inf)
        floor = 0 if may_idle and planned <= 0 else policy.min_firm_instances
        model.row({at(c, p): 1.0 for c in firm}, floor, math.inf)
        _keep_counted(model, problem, columns, partial(at, p=p))
        for inside, most in _spot_limits(problem, columns, total, total - planned):
            model.row({at(c, p): columns[c][0].rate_rps for c in inside}, -math.inf, most)
    _keep_monthly(model, problem, columns, surge_usd)
    signed = {at(c, 0): o.rate_rps for c, (o, one) in enumerate(columns) if one.how.value == "commitment"}
    if policy.commitment_hours_share < 1 and signed:
        low = low_hours_rps(problem, policy.commitment_hours_share)
        spare = policy.commitment_spare * smallest if low > 0 else 0.0
        most = max(policy.commitment_headroom * low, low + spare)
        model.row(signed, -math.inf, most + smallest - STRICTLY)
    _keep_schedule(model, problem, columns)
    return model.minimum(below - surge_usd) + surge_usd


def _keep_own(model: Rows, problem: Problem, columns: list[Column], *, may_idle: bool) -> None:
    """What each column costs, how many there may be of it, and whether it runs all along."""
    within, lengths = problem.policy.scale_to_zero_within_s or 0, [hours for _, hours in asked(problem)]
    n = len(lengths)
    for (c, (option, purchase)), (p, hours) in product(enumerate(columns), enumerate(lengths)):
        model.cost[c * n + p] = _usd(option, purchase) * hours
        if purchase.max_units is not None:
            model.upper[c * n + p] = purchase.max_units
        late = option.start_up_minutes * 60 > within
        if may_idle and late and purchase.how.value in ("on_demand", "spot"):
            model.upper[c * n + p] = 0
        if p and purchase.how.value in ("commitment", "held_on_demand", "owned"):
            model.row({c * n + p: 1.0, c * n: -1.0}, 0.0, 0.0)


def _keep_monthly(model: Rows, problem: Problem, columns: list[Column], surge_usd: float) -> None:
    """Rows over all periods, a column's variables being its periods in order: what is promised and not spent, in each
    scenario, what is signed, and what is emitted.
    """
    policy, lengths = problem.policy, [period.hours for period in problem.periods]
    every, months = len(problem.scenarios) * len(lengths), sum(lengths) / 730
    pairs = product(policy.minimum_monthly_usd_by_provider.items(), enumerate(problem.scenarios))
    for number, ((provider, monthly), (s, scenario)) in enumerate(pairs):
        unspent = (3 * len(columns) + 1) * every + number
        inside = [c for c, (o, _) in enumerate(columns) if o.provider == provider]
        at = [c * every + s * len(lengths) + p for c in inside for p in range(len(lengths))]
        model.cost[unspent] = scenario.probability
        beside = surge_usd if provider == columns[0][0].provider else 0.0
        spent = {variable: model.cost[variable] / scenario.probability for variable in at}
        model.row({**spent, unspent: 1.0}, monthly * months - beside, math.inf)
    if policy.max_committed_monthly_usd is not None:
        signed = {
            c * every: one.billed for c, (_, one) in enumerate(columns) if one.how.value == "commitment"
        }
        model.row(signed, -math.inf, policy.max_committed_monthly_usd / 730)
    if policy.max_monthly_kg_co2e is not None:
        emitted = {c * every + p: kg for (c, p), kg in _emitted(problem, columns).items()}
        model.row(emitted, -math.inf, policy.max_monthly_kg_co2e * months)


def _emitted(problem: Problem, columns: list[Column]) -> dict[tuple[int, int], float]:
    """kg of a unit of each column in each period: W / 1000 × PUE × g / 1000 × hours."""
    kg = [o.footprint.watts_per_unit * o.footprint.pue * o.footprint.gco2_per_kwh / 1e6 for o, _ in columns]
    return {(c, p): each * hours for c, each in enumerate(kg) for p, (_, hours) in enumerate(asked(problem))}


def _spot_limits(
    problem: Problem, columns: list[Column], total: float, spare: float
) -> Iterator[tuple[list[int], float]]:
    """Columns of spot that together hold at most so much, req/s: each pool's."""
    policy = problem.policy
    for pool in sorted({one.pool for _, one in columns} - {""}):
        inside = [c for c, (_, one) in enumerate(columns) if one.pool == pool]
        if policy.survive_spot_pool_loss:
            yield inside, spare
        if policy.min_spot_pools > 1:
            yield inside, policy.max_spot_share * total / policy.min_spot_pools


def _keep_schedule(model: Rows, problem: Problem, columns: list[Column]) -> None:
    """Rows of what moves: u[p] − u[p − 1] = started[p] − stopped[p], both at most M · changed[p]."""
    policy, hours = problem.policy, [period.hours for period in problem.periods]
    n, every = len(hours), len(problem.scenarios) * len(hours)
    counts = len(columns) * every
    if not (
        policy.min_up_hours
        or policy.max_starts_per_hour is not None
        or policy.max_stops_per_hour is not None
        or policy.max_schedule_changes_per_day is not None
    ):
        return
    for c, s, p in product(range(len(columns)), range(len(problem.scenarios)), range(n)):
        first = c * every + s * n
        before, at = first + (p - 1) % n, first + p
        moved = {counts + at: -1.0, 2 * counts + at: 1.0}
        model.row({**moved, **({at: 1.0, before: -1.0} if n > 1 else {})}, 0.0, 0.0)
        model.row(
            {counts + at: 1.0, 2 * counts + at: 1.0, 3 * counts + s * n + p: -MOST_MOVED}, -math.inf, 0.0
        )
        lately = {}
        for q in _since(hours, p, policy.min_up_hours) if policy.min_up_hours else ():
            lately[counts + first + q] = lately.get(counts + first + q, 0.0) + 1.0
        model.row({**lately, at: -1.0}, -math.inf, 0.0)
    for kind, most in ((1, policy.max_starts_per_hour), (2, policy.max_stops_per_hour)):
        for option, s, p in product({o.id for o, _ in columns}, range(len(problem.scenarios)), range(n)):
            inside = {
                kind * counts + c * every + s * n + q: 1.0
                for c, (o, _) in enumerate(columns)
                for q in _since(hours, p, 1.0)
                if o.id == option
            }
            model.row(inside, -math.inf, math.inf if most is None else most)
    days = {period.start.date() for period in problem.periods}
    for day, s in product(days, range(len(problem.scenarios))):
        on_day = [p for p, one in enumerate(problem.periods) if one.start.date() == day]
        inside = {3 * counts + s * n + p: 1.0 for p in on_day}
        most = policy.max_schedule_changes_per_day
        model.row(inside, -math.inf, math.inf if most is None else most)


def _since(hours: list[float], p: int, span: float) -> Iterator[int]:
    """Periods begun in the `span` hours up to p, again for each time round."""
    ago = 0.0
    while ago < span - 1e-9:
        yield p
        p = (p - 1) % len(hours)
        ago += hours[p]


def _keep_counted(
    model: Rows, problem: Problem, columns: list[Column], variable: Callable[[int], int]
) -> None:
    """One period's rows of what is counted."""
    for amount, inside in _counted(problem, columns):
        model.row({variable(c): float(each) for c, each in inside.items()}, -math.inf, amount)


def _counted(problem: Problem, columns: list[Column]) -> Iterator[tuple[float, dict[int, int]]]:
    """What may run at once, and what a unit of each column counts for."""
    instances = [o.estimate.setup.instances_per_unit for o, _ in columns]
    if problem.policy.max_gpus is not None:
        gpus = {c: o.shape.gpu_count * instances[c] for c, (o, _) in enumerate(columns)}
        yield problem.policy.max_gpus, gpus
    for quota in problem.quotas if problem.policy.within_quotas else ():
        inside = {}
        for c, (o, purchase) in enumerate(columns):
            spot = purchase.how.value == "spot"
            family = "lowPriorityCores" if spot and o.provider == "azure" else o.shape.quota_family
            if (o.provider, o.region, family, spot) == tuple(quota.key):
                count = o.shape.vcpus if o.shape.quota_unit == "vcpu" else o.shape.gpu_count
                inside[c] = count * instances[c]
        yield quota.amount, inside


def _usd(option: Option, purchase: Purchase) -> float:
    """USD per unit-hour; of spot from its parts: itself while it runs, the machine on demand while it does not."""
    if purchase.spot is None:
        return purchase.usd_per_unit_hour
    spot, share = purchase.spot, purchase.spot.available_share
    on_demand, instances = spot.on_demand_usd_per_hour, option.estimate.setup.instances_per_unit
    if on_demand is None:
        return float(spot.expected_usd_per_hour) / share * instances
    return (share * float(spot.expected_usd_per_hour) + (1 - share) * float(on_demand)) * instances


class Rows:
    """So many whole columns, and after them so many amounts."""

    def __init__(self, whole: int, amounts: int) -> None:
        self.whole = whole
        self.cost = np.zeros(whole + amounts)
        self.upper = np.full(whole + amounts, math.inf)
        self._rows: list[tuple[dict[int, float], float, float]] = []

    def row(self, terms: dict[int, float], low: float, high: float) -> None:
        self._rows.append((terms, low, high))

    def minimum(self, below: float = math.inf) -> float:
        """The least cost; inf where there is none, or none below so much."""
        solver = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
            solver.setOptionValue(name, value)
        n = len(self.cost)
        solver.addVars(n, np.zeros(n), self.upper)
        solver.changeColsCost(n, np.arange(n, dtype=np.int32), self.cost)
        for terms, low, high in self._rows:
            if not terms:
                if low > 1e-9 or high < -1e-9:
                    return math.inf
                continue
            solver.addRow(low, high, len(terms), np.array(list(terms)), np.array(list(terms.values())))
        integer = np.array([highspy.HighsVarType.kInteger] * self.whole)
        if math.isfinite(below):
            # Whole units cost no less than parts of them.
            solver.run()
            if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
                return math.inf
            if solver.getInfo().objective_function_value >= below:
                return math.inf
        solver.changeColsIntegrality(self.whole, np.arange(self.whole, dtype=np.int32), integer)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return math.inf
        return float(solver.getInfo().objective_function_value)
