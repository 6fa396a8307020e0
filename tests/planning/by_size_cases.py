"""Small problems with several request sizes, their plans as JSON, and the proven optimum by a model of the tests' own.

The model is HiGHS without PuLP: whole units per purchase and period, a binary for each option and period that carries
anything, and another for which of headroom and spare says what may be committed; sets of sites and types are tried all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import highspy
import numpy as np
from planning_cases import Case, plan_json
from random_cases import random_case

from optimiser.planning.leaves import Solution
from optimiser.planning.problem import Option, Problem, Purchase
from optimiser.policy import Policy

TINY = 1e-4


def sized(subject: Case, rates: dict[str, tuple[float, ...]], shares: tuple[float, ...]) -> Case:
    """The case with rates by request size, by option id."""
    options = tuple(replace(o, bucket_rates_rps=rates[o.id]) for o in subject.problem.options)
    problem = replace(subject.problem, options=options, bucket_shares=shares, routing="by_size")
    return replace(subject, problem=problem)


def random_sized_case(seed: int) -> Case:
    """A random case of at most three periods with one to three sizes, some of which some machines cannot serve."""
    rng = np.random.default_rng(1000 + seed)
    subject = random_case(seed)
    problem = subject.problem
    subject = replace(subject, problem=replace(problem, periods=problem.periods[-3:]))
    sizes = int(rng.integers(1, 4))
    shares = rng.dirichlet(np.ones(sizes)).round(3)
    shares[0] += 1 - shares.sum()
    by_type: dict[str, tuple[float, ...]] = {}
    for option in problem.options:
        found = option.rate_rps * rng.choice(
            [0.0, 0.5, 0.8, 1.3, 2.0, 3.1], sizes, p=[0.1, 0.2, 0.2, 0.2, 0.2, 0.1]
        )
        by_type.setdefault(option.instance_type, tuple(found.tolist()))
    return sized(subject, {o.id: by_type[o.instance_type] for o in problem.options}, tuple(shares.tolist()))


def sized_plan(subject: Case, solution: Solution) -> dict[str, Any]:
    """The parts of a finished plan that rules are checked on, with what is served."""
    sizes = [{"share": share} for share in subject.problem.bucket_shares]
    services = [{"routing": subject.problem.routing, "buckets": sizes}]
    return {**plan_json(subject, solution), "services": services}


def sized_optimum_usd(problem: Problem) -> float:
    """USD over the horizon of the cheapest plan; inf where there is none."""
    return min((_cheapest(problem, options) for options in _sets(problem)), default=math.inf)


def _sets(problem: Problem) -> Iterator[list[Option]]:
    sites = sorted({o.site for o in problem.options})
    types = sorted({o.instance_type for o in problem.options})
    places = min(problem.policy.max_sites or len(sites), len(sites))
    kinds = min(problem.policy.max_instance_types or len(types), len(types))
    for some in combinations(sites, places):
        for those in combinations(types, kinds):
            yield [o for o in problem.options if o.site in some and o.instance_type in those]


class _Lp:
    def __init__(self) -> None:
        self.h = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
            self.h.setOptionValue(name, value)
        self.count = 0

    def var(self, cost: float = 0.0, upper: float = math.inf, *, whole: bool = False) -> int:
        self.h.addCol(cost, 0.0, upper, 0, [], [])
        if whole:
            self.h.changeColIntegrality(self.count, highspy.HighsVarType.kInteger)
        self.count += 1
        return self.count - 1

    def row(self, low: float, terms: dict[int, float], high: float = math.inf) -> None:
        self.h.addRow(
            low, high, len(terms), np.array(list(terms), dtype=np.int32), np.array(list(terms.values()))
        )

    def minimum(self) -> float:
        self.h.run()
        if self.h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return math.inf
        return float(self.h.getInfo().objective_function_value)


def _low_demand(problem: Problem) -> float:
    """Demand of the hour by which the lowest share of hours has passed."""
    passed = 0.0
    for demand, hours in sorted(zip(problem.planned_rps.tolist(), problem.hours.tolist(), strict=True)):
        passed += hours
        if passed >= problem.policy.commitment_hours_share * float(problem.hours.sum()) - 1e-9:
            return float(demand)
    return math.inf


def _cheapest(problem: Problem, options: list[Option]) -> float:
    policy, lp = problem.policy, _Lp()
    columns = [(o, p) for o in options for p in o.purchases if p.how != "spot" or policy.max_spot_share > 0]
    hours = problem.hours
    always = {
        p.id: lp.var(p.usd_per_unit_hour * float(hours.sum()), p.max_units or math.inf, whole=True)
        for _, p in columns
        if p.how in ("commitment", "owned", "held_on_demand")
    }
    if policy.max_committed_monthly_usd is not None:
        signed = {always[p.id]: p.billed for _, p in columns if p.how == "commitment"}
        lp.row(-math.inf, signed, policy.max_committed_monthly_usd / 730)
    low = _low_demand(problem)
    for t, demand in enumerate(problem.planned_rps.tolist()):
        n = {
            p.id: always.get(p.id, -1)
            if p.id in always
            else lp.var(p.usd_per_unit_hour * float(hours[t]), p.max_units or math.inf, whole=True)
            for _, p in columns
        }
        if policy.min_firm_instances:
            lp.row(policy.min_firm_instances, {n[p.id]: 1.0 for _, p in columns if p.how != "spot"})
        for cap, taken in _caps(problem, columns):
            lp.row(-math.inf, {n[name]: each for name, each in taken.items()}, cap)
        x: dict[tuple[int, int], int] = {}
        for b, share in enumerate(problem.bucket_shares):
            here = {i: lp.var() for i, o in enumerate(options) if o.bucket_rates_rps[b] > 0}
            x |= {(b, i): v for i, v in here.items()}
            if demand > 0 and share > 0:
                if not here:
                    return math.inf
                lp.row(1.0, dict.fromkeys(here.values(), 1.0), 1.0)
        for i, option in enumerate(options):
            load = {
                x[b, i]: demand * share / option.bucket_rates_rps[b]
                for b, share in enumerate(problem.bucket_shares)
                if (b, i) in x and demand > 0 and share > 0
            }
            mine = {n[p.id]: p for o, p in columns if o is option}
            _run_enough(lp, policy, load, mine, counts=demand >= low)
    return lp.minimum()


def _run_enough(
    lp: _Lp, policy: Policy, load: dict[int, float], mine: dict[int, Purchase], *, counts: bool
) -> None:
    k, ceiling = policy.survive_instance_losses, policy.utilisation_ceiling
    most, used = sum(load.values()), lp.var(0.0, 1.0 if load else 0.0, whole=True)
    lp.row(-math.inf, {**load, used: -most or -1.0}, 0.0)
    everything = dict.fromkeys(mine, 1.0)
    firm = {v: 1.0 for v, p in mine.items() if p.how != "spot"}
    for factor, spare in ((1 / ceiling, 0), (1.0, k)):
        needed = {**{v: -f * factor for v, f in load.items()}, used: -float(spare)}
        lp.row(0.0, {**everything, **needed})
        lp.row(0.0, {**firm, **{v: f * (1 - policy.max_spot_share) for v, f in needed.items()}})
    for pool in {p.pool for p in mine.values()} - {""} if policy.survive_spot_pool_loss else ():
        left = {v: 1.0 for v, p in mine.items() if p.pool != pool}
        lp.row(0.0, {**left, **{v: -f for v, f in load.items()}})
    signed = {v: -1.0 for v, p in mine.items() if p.how == "commitment"}
    if signed and policy.commitment_hours_share < 1 and counts:
        by_spare, anything = (lp.var(0.0, 1.0 if load else 0.0, whole=True) for _ in range(2))
        headroom, spare = policy.commitment_headroom, policy.commitment_spare if load else 0
        big = most * headroom + spare + 1
        lp.row(TINY - 1 - spare - big, {**signed, **load, by_spare: -big})
        lp.row(TINY - 1, {**signed, **{v: f * headroom for v, f in load.items()}, by_spare: big})
        if spare:
            lp.row(0.0, {**signed, anything: big})
            lp.row(0.0, {**load, anything: -1e-3})


def _caps(problem: Problem, columns: list[Any]) -> Iterator[tuple[float, dict[str, float]]]:
    policy = problem.policy
    if policy.max_gpus is not None:
        yield policy.max_gpus, {p.id: float(o.shape.gpu_count) for o, p in columns}
    for quota in problem.quotas if policy.within_quotas else ():
        taken = {
            p.id: float(o.shape.vcpus)
            for o, p in columns
            if (o.provider, o.region, o.shape.quota_family, p.how == "spot") == tuple(quota.key)
        }
        if taken:
            yield quota.amount, taken
