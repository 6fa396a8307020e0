"""Money a month and per million tokens, in exact decimals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimiser.planning.assemble import Core
from optimiser.planning.charges import plan_charges
from optimiser.planning.leaves import Solution, loads_by_size
from optimiser.planning.offer_money import cents, exact
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_parts import PlanScenario, PlanTotals
from optimiser.planning.problem import Problem
from optimiser.workload import Workload
from optimiser.workload.volume import tokens_per_request

SECONDS_PER_HOUR = 3600
TOKENS_UNIT = Decimal("0.0001")


def totals_of(problem: Problem, workload: Workload, solution: Solution, core: Core) -> PlanTotals:
    """Totals a month of 730 h, expected over the scenarios.

    Cost per token: the monthly total splits into input and output by the share of busy time the estimate gives
    to prompts and to generation (weighted by the capacity each option runs), each over its tokens; blended is
    the total over all tokens.
    """
    hours = problem.hours
    horizon = exact(problem.horizon_hours)
    instances_monthly = cents(core.horizon_usd * HOURS_PER_MONTH / horizon)
    charges = sum((one.monthly_usd for one in core.charges), Decimal(0))
    overheads = cents(overheads_monthly_usd(problem, solution, instances_monthly + charges))
    total = instances_monthly + charges + overheads
    requests = exact(float(hours @ problem.mean_rps) * SECONDS_PER_HOUR) * HOURS_PER_MONTH / horizon
    prompt = exact(sum(bucket.share * bucket.prompt_tokens for bucket in workload.buckets))
    output = exact(sum(bucket.share * bucket.output_tokens for bucket in workload.buckets))
    prefill = exact(_prefill_share(solution, hours))
    millions = requests / 1_000_000
    return PlanTotals(
        horizon_hours=float(horizon),
        horizon_usd=core.horizon_usd,
        monthly_usd=instances_monthly,
        overheads_monthly_usd=overheads,
        total_monthly_usd=total,
        usd_per_million_input_tokens=(total * prefill / (millions * prompt)).quantize(TOKENS_UNIT),
        usd_per_million_output_tokens=(total * (1 - prefill) / (millions * output)).quantize(TOKENS_UNIT),
        usd_per_million_tokens=(total / (millions * (prompt + output))).quantize(TOKENS_UNIT),
        mean_utilisation=_mean_utilisation(problem, solution),
        charges_monthly_usd=charges,
    )


def monthly_tokens(problem: Problem, workload: Workload) -> float:
    """Input and output tokens of a month of 730 h, expected over the scenarios."""
    requests = float(problem.hours @ problem.mean_rps) * SECONDS_PER_HOUR
    return tokens_per_request(workload.buckets) * requests * HOURS_PER_MONTH / problem.horizon_hours


def _mean_utilisation(problem: Problem, solution: Solution) -> float:
    """Share of the capacity run that is busy; by size, of the unit-hours."""
    hours = problem.hours
    if solution.shares is not None:
        busy = sum(loads.sum(axis=1) for loads in loads_by_size(problem, solution.shares).values())
        unit_hours = float(hours @ solution.units.sum(axis=1))
        return float(hours @ (np.asarray(busy) * problem.mean_rps)) / unit_hours
    rate = np.array([column.option.rate_rps for column in solution.columns])
    return float(hours @ problem.mean_rps) / float(hours @ (solution.units @ rate))


def all_in_monthly_usd(problem: Problem, solution: Solution) -> Decimal:
    """A solution's instances, charges and overheads, USD a month, on the basis of PlanTotals.total_monthly_usd."""
    horizon = exact(problem.horizon_hours)
    nodes = problem.policy.overheads.usd_per_node_hour * _node_hours(problem, solution)
    instances = exact(solution.billed_usd(problem.hours) - nodes) * HOURS_PER_MONTH / horizon
    billed = instances + sum((one.monthly_usd for one in plan_charges(problem, solution)), Decimal(0))
    return cents(billed + overheads_monthly_usd(problem, solution, billed))


def scenarios_of(problem: Problem, solution: Solution, core: Core) -> tuple[PlanScenario, ...]:
    """The scenarios with what the plan costs a month in each, on the basis of PlanTotals.total_monthly_usd."""
    instances = {option.id: option.instances_per_unit for option in core.options}
    planned = {offer.id: offer.planned_usd_per_hour for offer in core.offers}
    each = {one.id: instances[one.option] * planned[one.offer] for one in core.purchases}
    hours = [exact(period.hours) for period in problem.periods]
    usd = [Decimal(0)] * len(core.scenarios)
    for row in core.counts:
        usd[row.scenario] += row.units * each[row.purchase] * hours[row.period]
    found = []
    for number, units in enumerate(np.split(solution.units, len(core.scenarios))):
        alone, its = problem.in_scenario(number), replace(solution, units=units)
        billed = cents(usd[number] * HOURS_PER_MONTH / exact(problem.horizon_hours))
        billed += sum((one.monthly_usd for one in plan_charges(problem, solution, number)), Decimal(0))
        monthly = billed + cents(overheads_monthly_usd(alone, its, billed))
        found.append(replace(core.scenarios[number], monthly_usd=monthly))
    return tuple(found)


def overheads_monthly_usd(problem: Problem, solution: Solution, billed_monthly: Decimal) -> Decimal:
    """What the policy adds a month to so much billed, not rounded."""
    given, horizon = problem.policy.overheads, exact(problem.horizon_hours)
    node_hours = exact(_node_hours(problem, solution))
    per_node = node_hours * exact(given.usd_per_node_hour) * HOURS_PER_MONTH / horizon
    return per_node + exact(given.usd_per_month) + billed_monthly * exact(given.percent) / 100


def _node_hours(problem: Problem, solution: Solution) -> float:
    instances = np.array([column.option.estimate.setup.instances_per_unit for column in solution.columns])
    return float(problem.hours @ (solution.units @ instances))


def _prefill_share(solution: Solution, hours: np.ndarray) -> float:
    weight = np.array([column.option.rate_rps for column in solution.columns]) * (hours @ solution.units)
    share = np.array([c.option.estimate.prefill_time_share for c in solution.columns])
    return float(weight @ share / weight.sum())
