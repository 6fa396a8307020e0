"""Stages of a plan while owned machines last: each a plan by itself, and together one that can be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from optimiser.planning.rules.charges import CENT as CHARGED_CENT
from optimiser.planning.rules.charges import HOURS_PER_MONTH, unspent_on_average
from optimiser.planning.rules.money import CENT
from optimiser.planning.rules.view import PlanView

# Of the plan, what each stage has alike.
_SAME = ("planned_on", "periods", "demand")
_PROMISED = "minimum_monthly_usd_by_provider"


def verify_stages(plan: dict[str, Any], verify: Callable[[dict[str, Any]], list[str]]) -> list[str]:
    """Every stage is a plan (`verify` finds no fault) for the same demand; they follow each other day by day; nothing
    owned is used after it ends, and no commitment is smaller later; they cost what is stated, in decimals:

        monthly_usd = Σ (total_monthly_usd − minimum_spend) × days / planned_days     stages, and the plan for the rest
                      + what that average lacks of what is promised to providers
        usd = monthly_usd × planned_days × 24 / 730
    """
    whole = plan.get("while_owned")
    if whole is None:
        return []
    first = date.fromisoformat(plan["planned_on"]) + timedelta(days=1)
    end = first + timedelta(days=whole["planned_days"] - 1)
    faults, usd = [], Decimal(0)
    for row in whole["stages"]:
        until = date.fromisoformat(row["until"])
        faults += [f"stage until {until}: {fault}" for fault in _of_its_own(plan, row, first, verify)]
        usd += _before_promises(row["plan"]) * row["days"]
        first = until + timedelta(days=1)
    rest = (end - first).days + 1
    if rest < 1:
        faults.append(f"stages: nothing is left of {whole['planned_days']} days for the plan itself")
    parts = [*((row["plan"], row["days"]) for row in whole["stages"]), (plan, rest)]
    charged = sum((Decimal(one["monthly_usd"]) for one in whole["charges"]), Decimal(0))
    faults += _promises(whole, parts, plan["policy"][_PROMISED])
    usd += _before_promises(plan) * rest
    monthly = usd / whole["planned_days"] + charged
    if abs(monthly - Decimal(whole["monthly_usd"])) > CENT / 2:
        faults.append(f"stages: monthly_usd is {whole['monthly_usd']}, they cost {monthly}")
    of_all = monthly * whole["planned_days"] * 24 / HOURS_PER_MONTH
    if abs(of_all - Decimal(whole["usd"])) > CENT / 2:
        faults.append(f"stages: usd is {whole['usd']}, the days cost {of_all}")
    each = [(row["plan"], date.fromisoformat(row["until"])) for row in whole["stages"]] + [(plan, end)]
    for part, last in each:
        faults += [f"stages: {fault}" for fault in _ended(part, last)]
    for (part, last), (later, _) in pairwise(each):
        faults += [f"stage until {last}: {fault}" for fault in _signed_for_less(part, later)]
    return faults


def _before_promises(plan: dict[str, Any]) -> Decimal:
    """What a plan costs without what it lacks of what is promised, USD a month."""
    lacking = (Decimal(one["monthly_usd"]) for one in plan["charges"] if one["kind"] == "minimum_spend")
    return Decimal(plan["totals"]["total_monthly_usd"]) - sum(lacking, Decimal(0))


def _promises(
    whole: dict[str, Any], parts: Sequence[tuple[dict[str, Any], int]], promised: Mapping[str, float]
) -> Iterator[str]:
    """Where the charges of all days together are not what these lack on average of what is promised."""
    stated = {one["provider"]: float(one["monthly_usd"]) for one in whole["charges"]}
    views = [(PlanView(one), days) for one, days in parts] if any(promised.values()) else []
    right = unspent_on_average(views, promised, whole["planned_days"]) if views else {}
    for name in sorted({*stated, *right}):
        if abs(stated.get(name, 0.0) - right.get(name, 0.0)) > CHARGED_CENT:
            yield f"stages: {stated.get(name, 0.0):.2f} USD a month are owed to {name}, not {right.get(name, 0.0):.2f}"


def _of_its_own(
    plan: dict[str, Any], row: dict[str, Any], first: date, verify: Callable[[dict[str, Any]], list[str]]
) -> Iterator[str]:
    """What is wrong with a stage by itself that should begin on `first`."""
    if date.fromisoformat(row["first_day"]) != first:
        yield f"begins on {row['first_day']}, the one before ends the day before {first}"
    days = (date.fromisoformat(row["until"]) - first).days + 1
    if row["days"] != days or days < 1:
        yield f"lasts {row['days']} days, by its dates {days}"
    if row["plan"].get("while_owned") is not None:
        yield "has stages of its own"
    for name in _SAME:
        if row["plan"][name] != plan[name]:
            yield f"{name} is not that of the plan"
    if row["plan"]["policy"] != {**plan["policy"], _PROMISED: {}}:
        yield f"policy is not that of the plan without {_PROMISED}"
    yield from verify(row["plan"])


def _ended(plan: dict[str, Any], last: date) -> Iterator[str]:
    """What is owned and used beyond its end."""
    view = PlanView(plan)
    for name in view.used():
        until = view.offer_of(name)["valid_until"]
        if view.how(name) == "owned" and (until is None or date.fromisoformat(until) < last):
            yield f"{name} is used until {last}, and owned until {until}"


def _signed_for_less(plan: dict[str, Any], later: dict[str, Any]) -> Iterator[str]:
    """Commitments of which fewer units are signed later, which would be paid unused."""
    now, then = PlanView(plan), PlanView(later)
    for name in now.used():
        if now.how(name) == "commitment":
            most, kept = max(now.units[name]), max(then.units.get(name, [0]))
            if most > kept:
                yield f"signs {most} of {name}, of which {kept} are in use after it"
