"""What stands beside the bill of services together: energy, carbon and cash up front, from the plan's JSON alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.rules.energy import is_off
from optimiser.planning.rules.view import HOURS_PER_MONTH, TOLERANCE, PlanView
from optimiser.planning.rules.weighed import capital_per_hour

_CENT = 0.01
# A service's use of what is bought for all; the same offer may run by the hour beside it.
PAID_FOR_ALL = ("shared", "owned")
_EMBODIED = ("embodied_kg_co2e_monthly_low", "embodied_kg_co2e_monthly_high")
Figures = dict[str, float | None]


def footprint_faults(plan: dict[str, Any], views: Sequence[PlanView]) -> list[str]:
    """Idle instances draw what a unit without a request does; the total is the services and what is idle; figures per
    1M tokens are over the tokens of the demand; one method tells all grids. Each service's own figures are checked as
    any plan's."""
    told: list[tuple[str, Any, Figures]] = []
    idle = []
    for one in plan["shared"]:
        right = _idle(one, plan, views)
        if one["idle"] and right:
            idle.append(one["idle"])
            told.append((one["offer"]["id"], one["idle"], right))
        elif one["idle"] or right:
            return [f"energy: {one['offer']['id']}: idle is {one['idle']}"]
    known = [view for view in views if view.plan["footprint"]]
    told += [
        (view.plan["service"]["name"], view.plan["footprint"], _per_million(view.plan["footprint"], [view]))
        for view in known
    ]
    parts, total = [view.plan["footprint"] for view in known], plan["totals"]["footprint"]
    if total is None:
        return ["energy: no footprint in all"] if len(parts) == len(views) else []
    told.append(("in all", total, _sums(parts, idle) | _per_million(total, views)))
    methods = sorted({row["method"] for part in plan["services"] for row in part["carbon"]})
    mixed = [f"energy: grids are told by {' and '.join(methods)}"] if len(methods) > 1 else []
    return mixed + [
        f"energy: {name}: {part} is {row[part]}, not {value}"
        for name, row, right in told
        for part, value in right.items()
        if is_off(row[part], value)
    ]


def _idle(one: dict[str, Any], plan: dict[str, Any], views: Sequence[PlanView]) -> Figures | None:
    """What is idle of a shared offer, by what any service says of a unit of the machine; None where none does."""
    hours = [float(period["hours"]) for period in plan["periods"]]
    used = sum(count * length for by in one["used"] for count, length in zip(by, hours, strict=True))
    idle = (one["instances"] * sum(hours) - used) * HOURS_PER_MONTH / sum(hours)
    for view in views:
        of = next(
            (row["option"] for row in view.purchases.values() if row["offer"] == one["offer"]["id"]), None
        )
        row = next((row for row in view.plan["energy"] if row["option"] == of), None)
        if of is None or row is None:
            continue
        watts = row["idle_watts_per_unit"] / view.options[of]["instances_per_unit"]
        kwh = None if row["pue"] is None else watts / 1000 * idle * row["pue"]
        grid = next((grid["gco2_per_kwh"] for grid in view.plan["carbon"] if grid["option"] == of), None)
        hours_in_use = view.options[of]["instances_per_unit"] * _unit_hours(view, of)
        return {
            "instance_hours_monthly": idle,
            "watts_per_instance": watts,
            "kwh_monthly": kwh,
            "kg_co2e_monthly": None if kwh is None or grid is None else kwh * grid / 1000,
        } | {end: None if row[end] is None else row[end] / hours_in_use * idle for end in _EMBODIED}
    return None


def _unit_hours(view: PlanView, option: str) -> float:
    """Unit-hours of an option a month, however paid."""
    rows = [units for name, units in view.units.items() if view.purchases[name]["option"] == option]
    run = sum(n * length for units in rows for n, length in zip(units, view.hours, strict=True))
    return run * HOURS_PER_MONTH / sum(view.hours)


def _sums(parts: list[dict[str, Any]], idle: list[dict[str, Any]]) -> Figures:
    """What is idle counts the same at planned rates and at the loads of the hours."""
    found: Figures = {}
    for name in (
        "kwh_monthly",
        "kwh_monthly_at_load",
        "kg_co2e_monthly",
        "kg_co2e_monthly_at_load",
        *_EMBODIED,
    ):
        values = [part[name] for part in parts] + [one[name.removesuffix("_at_load")] for one in idle]
        known = [value for value in values if value is not None]
        found[name] = sum(known) if len(known) == len(values) else None
    return found


def _per_million(row: dict[str, Any], views: Sequence[PlanView]) -> Figures:
    tokens = sum(map(_monthly_tokens, views))
    each = {"kwh": row["kwh_monthly_at_load"], "kg_co2e": row["kg_co2e_monthly_at_load"]}
    return {f"{name}_per_million_tokens": None if v is None else v / tokens * 1e6 for name, v in each.items()}


def _monthly_tokens(view: PlanView) -> float:
    each = sum(
        b["share"] * (b["prompt_tokens"] + b["output_tokens"]) for b in view.plan["service"]["buckets"]
    )
    requests = sum(row["mean_rps"] * 3600 * view.hours[view.index(row)] for row in view.plan["demand"])
    return float(each * requests * HOURS_PER_MONTH / sum(view.hours))


def cash_faults(plan: dict[str, Any]) -> list[str]:
    """Cash up front follows from each offer and its instances, what its capital costs from the policy; both add up."""
    faults, policy, month = [], plan["services"][0]["policy"], HOURS_PER_MONTH
    for one in plan["shared"]:
        right = {
            "upfront_usd": float(one["offer"]["upfront_usd"]) * one["instances"],
            "capital_monthly_usd": capital_per_hour(policy, one["offer"]) * month * one["instances"],
        }
        faults += [
            f"money: {one['offer']['id']}: {name} is {one[name]}, not {usd:.2f}"
            for name, usd in right.items()
            if not abs(float(one[name]) - usd) <= _CENT
        ]
    signed = [
        row["commitment"] for part in plan["services"] for row in part["purchases"] if row["commitment"]
    ]
    for name in ("upfront_usd", "capital_monthly_usd"):
        stated = sum((Decimal(one[name]) for one in (*plan["shared"], *signed)), Decimal(0))
        if stated != Decimal(plan["totals"][name]):
            faults.append(f"money: {name} is {plan['totals'][name]}, its parts are {stated}")
    return faults + _apart_faults(plan)


def _apart_faults(plan: dict[str, Any]) -> list[str]:
    """What planning apart costs is the sum over services, null where one has no such plan."""
    faults = []
    for name in ("apart_monthly_usd", "apart_upfront_usd", "apart_capital_monthly_usd"):
        parts = [None if part[name] is None else Decimal(part[name]) for part in plan["services"]]
        right = None if None in parts else sum(filter(None, parts), Decimal(0))
        stated = plan["totals"][name]
        if (None if stated is None else Decimal(stated)) != right:
            faults.append(f"money: {name} is {stated}, its parts are {right}")
    return faults


def weighed_faults(plan: dict[str, Any], views: Sequence[PlanView]) -> list[str]:
    """What the bound is held against: every instance-hour as weighed, a node's overhead with it, and the policy's price
    of carbon on the total's kg CO2e at planned rates, which must be known then."""
    policy, hours = plan["services"][0]["policy"], sum(float(period["hours"]) for period in plan["periods"])
    per_node, month = float(policy["overheads"]["usd_per_node_hour"]), HOURS_PER_MONTH / hours
    usd = sum(
        (float(one["offer"]["weighed_usd_per_hour"]) + per_node) * one["instances"] * HOURS_PER_MONTH
        for one in plan["shared"]
    )
    for view in views:
        for name in view.used():
            if plan["together"] and view.how(name) in PAID_FOR_ALL:
                continue
            run = sum(n * length for n, length in zip(view.units[name], view.hours, strict=True)) * month
            each = float(view.offer_of(name)["weighed_usd_per_hour"]) + per_node
            usd += run * each * view.option_of(name)["instances_per_unit"]
    price, stated = float(policy["carbon_usd_per_tonne"]), float(plan["bound"]["plan_usd"])
    kg = (plan["totals"]["footprint"] or {}).get("kg_co2e_monthly") if price else 0.0
    if kg is None:
        return ["money: weighed at a price of carbon, and what is emitted is not known"]
    right = usd + price * kg / KG_PER_TONNE
    return (
        []
        if abs(stated - right) <= _CENT + TOLERANCE * right
        else [f"money: plan_usd is {stated}, not {right:.2f}"]
    )
