"""What a plan emits: weighed at the policy's price, and held to its cap."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.carbon import at_more_a_kg
from optimiser.planning.carbon_cap import LEAST_CARBON, cap_kg, horizon_kg
from optimiser.planning.leaves import Solution
from optimiser.planning.model import Model
from optimiser.planning.problem import Problem
from optimiser.planning.rules.rule import Rule, Term, policy_with
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy

HOURS_PER_MONTH = 730


def limit_carbon(m: Model) -> None:
    """What runs emits no more than the cap over the horizon.

    Σ_{c, p} hours[p] · kg[c] · running[c, p]  ≤  cap
    """
    if m.problem.policy.max_monthly_kg_co2e is None:
        return
    hours = m.problem.hours.tolist()
    emitted: dict[str, float] = defaultdict(float)
    variables = {}
    for c, column in enumerate(m.columns):
        for p, variable in enumerate(m.running[c]):
            variables[variable.name] = variable
            emitted[variable.name] += hours[p] * column.option.kg_per_unit_hour
    m.add("limit_carbon", [(variables[name], kg) for name, kg in emitted.items()], "<=", cap_kg(m.problem))


def verify_limit_carbon(view: PlanView) -> list[str]:
    """All that is in use has a figure, and together it emits no more a month than the policy allows."""
    cap = view.policy.get("max_monthly_kg_co2e")
    if cap is None:
        return []
    known = {row["option"]: row["kg_co2e_per_unit_hour"] for row in view.plan.get("carbon", [])}
    unknown = [name for name in view.used() if view.option_of(name)["id"] not in known]
    if unknown:
        return [f"{unknown[0]}: what it emits is not known"]
    emitted = sum(known[view.option_of(name)["id"]] * _monthly_unit_hours(view, name) for name in view.used())
    return [f"{emitted:.1f} kg CO2e a month, {cap:g} allowed"] if emitted > cap * (1 + TOLERANCE) else []


def verify_weigh_carbon(view: PlanView) -> list[str]:
    """Every row follows from power, PUE and grid, and from the hours that its option runs; with a price, each option in
    use has one."""
    hours: dict[str, float] = defaultdict(float)
    for name in view.used():
        hours[view.option_of(name)["id"]] += _monthly_unit_hours(view, name)
    rows = {row["option"]: row for row in view.plan.get("carbon", [])}
    faults = []
    for name, row in rows.items():
        kwh = row["watts_per_unit"] / 1000 * row["pue"]
        right = {
            "kg_co2e_per_unit_hour": kwh * row["gco2_per_kwh"] / 1000,
            "kwh_monthly": kwh * hours[name],
            "kg_co2e_monthly": kwh * row["gco2_per_kwh"] / 1000 * hours[name],
        }
        faults += [
            f"{name}: {part} is {row[part]:.6g}, not {value:.6g}"
            for part, value in right.items()
            if abs(row[part] - value) > TOLERANCE * max(value, 1.0)
        ]
    if view.policy.get("carbon_usd_per_tonne"):
        faults += [f"{name}: what it emits is not known" for name in sorted(hours.keys() - rows.keys())]
    return faults


def _monthly_unit_hours(view: PlanView, name: str) -> float:
    run = sum(n * length for n, length in zip(view.units[name], view.hours, strict=True))
    return run * HOURS_PER_MONTH / sum(view.hours)


def cap_in_words(policy: Policy) -> str:
    """The cap."""
    cap = policy.max_monthly_kg_co2e
    return "" if cap is None else f"at most {cap:,.0f} kg CO2e a month"


def carbon_in_words(policy: Policy) -> str:
    """The price."""
    usd = policy.carbon_usd_per_tonne
    return f"carbon weighed at {usd:g} USD a tonne, not billed" if usd else ""


def without_a_price(problem: Problem) -> Problem:
    """The problem that compares what is billed alone."""
    policy = problem.policy.model_copy(update={"carbon_usd_per_tonne": 0.0})
    return replace(at_more_a_kg(problem, -problem.policy.carbon_usd_per_tonne / KG_PER_TONNE), policy=policy)


def what_it_emits(problem: Problem, solution: Solution) -> str:
    """What a solution without the cap emits, and the least that any found does."""
    # The search keeps to the rules, and so knows them all.
    from optimiser.planning.search import search

    month = HOURS_PER_MONTH / problem.horizon_hours
    free = policy_with(max_monthly_kg_co2e=None)(problem)
    least = search(at_more_a_kg(free, LEAST_CARBON * _usd_per_kg(problem, solution))).best
    found = horizon_kg(problem, least.solution) if least else 0.0
    emitted = horizon_kg(problem, solution) * month
    return f"{emitted:,.0f} kg CO2e a month (the least found emits {found * month:,.0f})"


def _usd_per_kg(problem: Problem, solution: Solution) -> float:
    return max(solution.usd(problem.hours), 1.0) / max(horizon_kg(problem, solution), 1e-9)


LIMIT_CARBON = Rule(
    name="limit_carbon",
    rows=limit_carbon,
    scope="horizon",
    verify=verify_limit_carbon,
    limit=cap_in_words,
    without=policy_with(max_monthly_kg_co2e=None),
    eased="max_monthly_kg_co2e: null",
    wanted=what_it_emits,
    always_priced=True,
    decides_on_sites=True,
)

WEIGH_CARBON = Term(
    name="weigh_carbon",
    verify=verify_weigh_carbon,
    limit=carbon_in_words,
    without=without_a_price,
    eased="carbon_usd_per_tonne: 0",
    always_priced=True,
    decides_on_sites=True,
)
