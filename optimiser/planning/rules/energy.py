"""What a plan says it draws, emits and has embodied follows from its own JSON, by the physics that its price and cap of
carbon count by."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

from optimiser.planning.rules.by_size import SizedView
from optimiser.planning.rules.view import HOURS_PER_MONTH, TOLERANCE, PlanView


def verify_energy(view: PlanView) -> list[str]:
    """Every row follows from its power and hours, carbon counts by the same power, and the sums are the rows'."""
    rows = {row["option"]: row for row in view.plan.get("energy", [])}
    carbon = {row["option"]: row for row in view.plan.get("carbon", [])}
    footprint = view.plan.get("footprint") or {}
    told = [(name, row, _counted(view, row)) for name, row in rows.items()]
    told += [(name, rows[name], _as_carbon(rows[name], row)) for name, row in carbon.items() if name in rows]
    if power := footprint.get("power"):
        alike = None if view.by_size else _alike(view)
        told += [(name, row, _by_load(view, row, power, alike)) for name, row in rows.items()]
    if footprint:
        told.append(("footprint", footprint, _sums(view, rows, carbon)))
    return [
        f"energy: {name}: {part} is {row[part]}, not {value}"
        for name, row, right in told
        for part, value in right.items()
        if is_off(row[part], value)
    ]


def _as_carbon(row: dict[str, Any], carbon: dict[str, Any]) -> dict[str, float | None]:
    """What the carbon of the same option says of its power, and what its grid makes of the energy."""
    kwh = row["kwh_monthly_at_load"]
    return {
        "watts_per_unit": carbon["watts_per_unit"],
        "kwh_monthly": carbon["kwh_monthly"],
        "kg_co2e_monthly_at_load": None if kwh is None else kwh * carbon["gco2_per_kwh"] / 1000,
    }


def is_off(told: float | None, right: float | None) -> bool:
    """Whether a figure is not what it should be, beyond rounding."""
    if told is None or right is None:
        return told is not right
    return abs(told - right) > TOLERANCE * max(abs(right), 1.0)


def _running(view: PlanView, option: str) -> list[int]:
    bought = [units for name, units in view.units.items() if view.purchases[name]["option"] == option]
    return [sum(units) for units in zip(*bought, strict=True)]


def _counted(view: PlanView, row: dict[str, Any]) -> dict[str, float | None]:
    hours = sum(n * length for n, length in zip(_running(view, row["option"]), view.hours, strict=True))
    month = hours * HOURS_PER_MONTH / sum(view.hours)
    pue = row["pue"]
    return {"kwh_monthly": None if pue is None else row["watts_per_unit"] / 1000 * month * pue}


def _by_load(
    view: PlanView, row: dict[str, Any], power: dict[str, Any], alike: dict[str, list[float]] | None
) -> dict[str, float | None]:
    """Watts from the option's own loads, and the energy of every hour at what it carries: the same load for all,
    or its own where requests are routed by size."""
    option = view.options[row["option"]]
    planned = min(option["rate_rps"] / option["estimated_rps"], 1.0)
    right: dict[str, float | None] = {
        "planned_share": planned,
        "watts_per_unit": _watts(row, option, power, planned),
        "idle_watts_per_unit": _watts(row, option, power, 0.0),
    }
    if row["pue"] is None:
        return right
    drawn: dict[float, float] = {}
    energy = 0.0
    loads = _by_size(view, row["option"]) if alike is None else alike[row["option"]]
    for units, load, length in zip(_running(view, row["option"]), loads, view.hours, strict=True):
        if units and load not in drawn:
            drawn[load] = _watts(row, option, power, planned * load)
        energy += units * drawn.get(load, 0.0) * length
    month = HOURS_PER_MONTH / sum(view.hours)
    return right | {"kwh_monthly_at_load": energy / 1000 * month * row["pue"]}


def _watts(row: dict[str, Any], option: dict[str, Any], power: dict[str, Any], share: float) -> float:
    """W of a unit that carries that share of the largest rate it was estimated at."""
    drawn = power["gpu_tdp_share"]
    if drawn is None:
        flying = _between(
            [(0.0, 0.0)] + [(p["utilisation"], p["concurrency_per_replica"]) for p in option["load_points"]],
            share,
        )
        busy = 1 - math.exp(-flying)
        prompts = min(share * option["prefill_time_share"], busy)
        place = math.log2(max(flying, 1.0)) - power["curve_middle_log2"]
        rise = (power["many_requests_tdp_share"] - power["one_request_tdp_share"]) / (
            1 + math.exp(-power["curve_steepness"] * place)
        )
        decode = power["one_request_tdp_share"] + rise
        drawn = (
            (1 - busy) * power["idle_tdp_share"]
            + prompts * power["prompt_tdp_share"]
            + (busy - prompts) * decode
        )
    return float((row["gpus_tdp_w"] * drawn + row["host_w"]) * (1 + power["rest_share"]))


def _between(points: list[tuple[float, float]], at: float) -> float:
    for (left, low), (right, high) in itertools.pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


def _mean(view: PlanView) -> list[float]:
    mean = [0.0] * len(view.hours)
    for row in view.plan["demand"]:
        mean[view.index(row)] += row["mean_rps"]
    return mean


def _alike(view: PlanView) -> dict[str, list[float]]:
    """Share of its planned rate that a unit of each option carries in each period, of the mean demand: all alike, or
    all of one of the sites that demand is split over."""
    mean = _mean(view)
    found: dict[str, list[float]] = {}
    for place in view.sites or [None]:
        share = 1.0 if place is None else float(view.sites[place]["traffic_share"])
        there = [
            name for name, row in view.options.items() if place in (None, (row["provider"], row["region"]))
        ]
        capacity = [0.0] * len(view.hours)
        for name in there:
            for p, units in enumerate(_running(view, name)):
                capacity[p] += units * view.options[name]["rate_rps"]
        load = [min(mean[p] * share / capacity[p], 1.0) if capacity[p] > 0 else 0.0 for p in view.periods()]
        found |= dict.fromkeys(there, load)
    return found


def _by_size(view: PlanView, option: str) -> list[float]:
    """The same of one option, by the sizes that are sent to it."""
    sized, units, mean = SizedView(view), _running(view, option), _mean(view)
    share = [mean[p] / view.planned[p] if view.planned[p] > 0 else 0.0 for p in view.periods()]
    return [min(sized.load(p, option) * share[p] / max(units[p], 1), 1.0) for p in view.periods()]


def _sums(
    view: PlanView, rows: dict[str, dict[str, Any]], carbon: dict[str, dict[str, Any]]
) -> dict[str, float | None]:
    parts: dict[str, list[float | None]] = defaultdict(list)
    for name in view.options:
        for part in ("kwh_monthly", "kwh_monthly_at_load", "kg_co2e_monthly_at_load"):
            parts[part].append(rows.get(name, {}).get(part))
        for end in ("low", "high"):
            part = f"embodied_kg_co2e_monthly_{end}"
            parts[part].append(rows.get(name, {}).get(part))
        parts["kg_co2e_monthly"].append(carbon.get(name, {}).get("kg_co2e_monthly"))
    found: dict[str, float | None] = {}
    for part, values in parts.items():
        known = [value for value in values if value is not None]
        found[part] = sum(known) if len(known) == len(values) else None
    return found
