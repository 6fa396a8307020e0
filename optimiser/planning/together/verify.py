"""The check of a finished plan of services together, from its JSON alone: nothing here uses the code that made it.

Each service obeys every rule by itself, on what it runs. What is bought once is used no more than it is there, every
commitment is in use in all but the policy's share of the hours, the money adds up to the cent, and the gap is that
between the bound and the plan.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from optimiser.planning.rules import TERMS, verify_plan
from optimiser.planning.rules.allowed import verify_allowed
from optimiser.planning.rules.bounded import gap_faults
from optimiser.planning.rules.energy import verify_energy
from optimiser.planning.rules.purchased import verify_purchases
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.planning.together.verify_beside import (
    PAID_FOR_ALL,
    cash_faults,
    footprint_faults,
    weighed_faults,
)

CENT = Decimal("0.01")
HOURS_PER_MONTH = 730
# Of what is bought, not of what a service uses of it: checked here for all services at once.
OF_ALL = frozenset(
    {"limit_commitments", "hold_scarce", "respect_offer_limits", "respect_quotas", "limit_gpus"}
)


def verify_together(plan: dict[str, Any]) -> list[str]:
    """What is wrong with a plan of services together: empty where it stands."""
    faults = []
    for number, part in enumerate(plan["services"]):
        name = part["service"]["name"]
        faults += [f"{name}: {fault}" for fault in _service_faults(plan, part)]
        faults += [f"{name}: {fault}" for fault in _use_faults(plan, part, number)]
    for one in plan["shared"]:
        faults += [f"{one['offer']['id']}: {fault}" for fault in _shared_faults(plan, one)]
    views = [_view(plan, part) for part in plan["services"]]
    beside = footprint_faults(plan, views) + cash_faults(plan) + weighed_faults(plan, views)
    beside += gap_faults(plan["bound"])
    return faults + _limited_by_the_hour(plan) + _cap_faults(plan) + _money_faults(plan) + beside


def _view(plan: dict[str, Any], part: dict[str, Any]) -> PlanView:
    """A service's part as the plan of one service."""
    empty: dict[str, Any] = {name: [] for name in ("signing", "charges", "quotas")}
    empty["scenarios"] = [{"name": "as measured", "probability": 1.0, "monthly_usd": None}]
    alone = {**empty, **part, "services": [part["service"]], "periods": plan["periods"]}
    return PlanView({**alone, "planned_on": plan["planned_on"]})


def _service_faults(plan: dict[str, Any], part: dict[str, Any]) -> list[str]:
    view = _view(plan, part)
    if not plan["together"]:
        # What is signed is not said of parts: of each service alone it is what its own plan says.
        return [fault for fault in verify_plan(view.plan) if not fault.startswith("signing")]
    checks = {name: term for name, term in TERMS.items() if name not in OF_ALL}
    faults = [f"{name}: {fault}" for name, term in checks.items() for fault in term.verify(view)]
    return faults + verify_allowed(view) + verify_energy(view) + verify_purchases(view)


def _use_faults(plan: dict[str, Any], part: dict[str, Any], number: int) -> list[str]:
    """A service's counts of shared offers are what `shared` says of it, and every one of them is needed."""
    view, faults = _view(plan, part), []
    shared = [name for name in view.purchases if view.how(name) in PAID_FOR_ALL]
    if not plan["together"]:
        return ["apart, nothing is shared"] if plan["shared"] else []
    for one in plan["shared"]:
        here = [name for name in shared if view.purchases[name]["offer"] == one["offer"]["id"]]
        for p in view.periods():
            count = sum(view.units[name][p] * view.option_of(name)["instances_per_unit"] for name in here)
            if count != one["used"][number][p]:
                faults.append(
                    f"period {p}: runs {count} on {one['offer']['id']}, {one['used'][number][p]} said"
                )
    bought = {one["offer"]["id"] for one in plan["shared"]}
    faults += [f"{name} is not bought" for name in shared if view.purchases[name]["offer"] not in bought]
    faults += [
        f"{name} is its own" for name in view.used() if view.how(name) in ("commitment", "held_on_demand")
    ]
    floor = int(view.policy["min_firm_instances"])
    for p in view.periods():
        running = {name: view.units[name][p] for name in shared if view.units[name][p]}
        capacity = sum(units * view.rate(name) for name, units in running.items())
        smallest = min((view.rate(name) for name in running), default=0.0)
        if sum(running.values()) > floor and capacity >= view.required(p) + smallest - TOLERANCE:
            faults.append(f"period {p}: {capacity:.4g} req/s of shared machines in use, a unit unneeded")
    return faults


def _shared_faults(plan: dict[str, Any], one: dict[str, Any]) -> list[str]:
    """Use within what is bought; a commitment's last instance in use in all but the policy's share of the hours."""
    used = [sum(by_service) for by_service in zip(*one["used"], strict=True)]
    hours = [float(period["hours"]) for period in plan["periods"]]
    faults, instances, limit = [], one["instances"], one["offer"]["max_instances"]
    if max(used) > instances:
        faults.append(f"{max(used)} in use, {instances} bought")
    if limit is not None and instances > limit:
        faults.append(f"{instances} bought of {limit}")
    share = float(plan["services"][0]["policy"]["commitment_hours_share"])
    if one["how"] == "commitment" and share < 1:
        idle = sum(length for count, length in zip(used, hours, strict=True) if count < instances)
        if idle > share * sum(hours) + TOLERANCE:
            faults.append(f"{instances} committed, in {idle:g} of {sum(hours):g} hours not all in use")
    in_use = sum(count * length for count, length in zip(used, hours, strict=True))
    if instances and abs(one["used_share"] - in_use / (instances * sum(hours))) > TOLERANCE:
        faults.append(f"used_share is {one['used_share']}")
    right = instances * Decimal(one["offer"]["planned_usd_per_hour"]) * HOURS_PER_MONTH
    if abs(Decimal(one["monthly_usd"]) - right) > CENT:
        faults.append(f"{one['monthly_usd']} USD a month, not {right}")
    return faults


def _limited_by_the_hour(plan: dict[str, Any]) -> list[str]:
    """No offer is taken more often by all services than it is made, with what is bought of it for all."""
    taken: dict[str, list[int]] = {}
    most: dict[str, int] = {}
    bought = {one["offer"]["id"]: one["instances"] for one in plan["shared"]}
    for part in plan["services"]:
        view = _view(plan, part)
        for name in view.used():
            offer = view.offer_of(name)
            if offer["max_instances"] is None or view.how(name) in PAID_FOR_ALL:
                continue
            most[offer["id"]] = offer["max_instances"]
            here = taken.setdefault(offer["id"], [bought.get(offer["id"], 0)] * len(view.hours))
            for p in view.periods():
                here[p] += view.units[name][p] * view.option_of(name)["instances_per_unit"]
    return [
        f"{name}: {max(n)} on an offer of {most[name]}" for name, n in taken.items() if max(n) > most[name]
    ]


def _cap_faults(plan: dict[str, Any]) -> list[str]:
    """All services together keep each quota that is granted, and the limit on GPUs; of what is bought for all every
    instance counts in every hour."""
    views = [_view(plan, part) for part in plan["services"]]
    hours, bought = len(plan["periods"]), {one["offer"]["id"]: one["instances"] for one in plan["shared"]}
    taken: dict[Any, list[int]] = defaultdict(lambda: [0] * hours)
    counted: set[str] = set()
    for view in views:
        for name in view.used():
            option, offer, spot = view.option_of(name), view.offer_of(name)["id"], view.how(name) == "spot"
            instances = [n * option["instances_per_unit"] for n in view.units[name]]
            if plan["together"] and view.how(name) in PAID_FOR_ALL:
                instances = [0 if offer in counted else bought.get(offer, 0)] * hours
                counted.add(offer)
            family = option["spot_quota_family"] if spot else option["quota_family"]
            unit = "vcpus" if option["quota_unit"] == "vcpu" else "gpus"
            for p, count in enumerate(instances):
                key = (option["provider"], option["region"], family, spot)
                taken[key][p] += count * option[f"{unit}_per_instance"]
                taken["GPUs"][p] += count * option["gpus_per_instance"]
    policy, faults = plan["services"][0]["policy"], []
    said = {(q["provider"], q["region"], q["family"], q["spot"]): q for q in plan["quotas"]}
    for key, amounts in taken.items():
        most = policy["max_gpus"] if key == "GPUs" else said.get(key, {}).get("granted")
        if (
            most is not None
            and (key == "GPUs" or policy["within_quotas"])
            and max(amounts) > most + TOLERANCE
        ):
            faults.append(f"period {amounts.index(max(amounts))}: {max(amounts)} of {key}, {most:g} for all")
        stated = plan["totals"]["max_gpus"] if key == "GPUs" else said.get(key, {}).get("amount")
        if stated != max(amounts):
            faults.append(f"{key}: {stated} said, {max(amounts)} taken")
    return faults


def _money_faults(plan: dict[str, Any]) -> list[str]:
    """Services' parts add up to the total to the cent, shared ones to each offer's cost."""
    faults: list[str] = []
    of_shared: dict[str, Decimal] = defaultdict(Decimal)
    for part in plan["services"]:
        faults += _part_money_faults(plan, part, of_shared)
    for one in plan["shared"]:
        stated = of_shared[one["offer"]["id"]]
        if stated != Decimal(one["monthly_usd"]):
            faults.append(f"money: {one['offer']['id']} is {one['monthly_usd']}, services pay {stated} of it")
    totals = {name: Decimal(usd) for name, usd in plan["totals"].items() if name.endswith("_usd") and usd}
    parts = sum((Decimal(part["monthly_usd"]) for part in plan["services"]), Decimal(0))
    if parts != totals["monthly_usd"]:
        faults.append(f"money: monthly_usd is {totals['monthly_usd']}, the services are {parts}")
    if totals["monthly_usd"] + totals["overheads_monthly_usd"] != totals["total_monthly_usd"]:
        faults.append("money: total_monthly_usd is not the sum of its parts")
    budget = plan["services"][0]["policy"]["max_monthly_usd"]
    if budget is not None and totals["total_monthly_usd"] > Decimal(repr(float(budget))):
        faults.append(f"money: {totals['total_monthly_usd']} in all, max_monthly_usd is {budget}")
    apart, saving = totals.get("apart_monthly_usd"), totals.get("saving_monthly_usd")
    # Apart is planned without what is owned: nothing is saved by what serves at no price.
    owned = any(one["how"] == "owned" and any(map(any, one["used"])) for one in plan["shared"])
    if saving != (None if apart is None or owned else apart - totals["total_monthly_usd"]):
        faults.append("money: saving_monthly_usd is not the difference")
    return faults


def _part_money_faults(
    plan: dict[str, Any], part: dict[str, Any], of_shared: dict[str, Decimal]
) -> list[str]:
    """A service's purchases at their prices, and their sum; adds what it pays of shared ones to of_shared."""
    hours = [Decimal(repr(float(period["hours"]))) for period in plan["periods"]]
    view, own, faults = _view(plan, part), Decimal(0), []
    for name, one in view.purchases.items():
        usd = Decimal(one["monthly_usd"])
        own += usd
        if view.how(name) == "shared":
            of_shared[one["offer"]] += usd
            continue
        unit_hours = sum((n * h for n, h in zip(view.units[name], hours, strict=True)), Decimal(0))
        each = view.option_of(name)["instances_per_unit"] * Decimal(
            view.offer_of(name)["planned_usd_per_hour"]
        )
        if abs(usd - unit_hours * each * HOURS_PER_MONTH / sum(hours)) > CENT:
            faults.append(f"money: {name} is {usd}")
    if own != Decimal(part["monthly_usd"]):
        faults.append(f"money: {part['service']['name']} is {part['monthly_usd']}, its purchases are {own}")
    return faults
