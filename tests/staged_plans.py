"""Plans of one workload on one kind of machine, with what is owned beside it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.planning.plan import Plan
from optimiser.recommend import Request, recommend

DAY = date(2026, 11, 21)
P5_USD = Decimal("55.04")  # an hour of p5.48xlarge on demand in us-east-1


def entry(ends: date, instances: int, instance_type: str = "p5.48xlarge") -> str:
    place = f"provider: aws, region: us-east-1, instance_type: {instance_type}"
    return f"- {{{place}, instances: {instances}, ends: {ends}}}"


def after(days: int) -> date:
    return DAY + timedelta(days=days)


def asked(
    folder: Path,
    *owned: str,
    demand: str = "{requests_per_second: 40}",
    routing: str = "uniform",
    **policy: object,
) -> Request:
    """Chat on p5.48xlarge on demand in us-east-1, with a flat demand and what is owned."""
    (folder / "owned.yaml").write_text("".join(f"{one}\n" for one in owned), encoding="utf-8")
    config = load_config(folder)
    workload = load_workload(config.find_workload("chat-llama-70b"), {"demand": demand, "routing": routing})
    only = {"regions": ["us-east-1"], "instance_types": ["p5.48xlarge"], "tiers": ["on_demand"], **policy}
    book = load_book(config.price_files, config.shapes, DAY)
    return Request(workload=workload, policy=Policy.model_validate(only), config=config, book=book, as_of=DAY)


def plan_of(folder: Path, *owned: str, **changes: Any) -> Plan:
    return recommend(asked(folder, *owned, **changes))


def units(plan: Plan) -> dict[str, int]:
    """Units at most by how they are paid."""
    each: dict[str, int] = defaultdict(int)
    for one in plan.purchases:
        each[one.how] += one.max_units
    return dict(each)
