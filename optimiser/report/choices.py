"""What else could have been chosen: each cloud alone, sites mixed, rules dropped; and the quota needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanAlternative, PlanFleetLine, PlanQuota
from optimiser.planning.rules import EASED_EVERYWHERE
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import HOW, number, provider_name, site, units, usd, usd_or_dash, words

MIXING_SITES = "mixed_sites"
_PLANS = (Column("fleet"), Column("$ a month", right=True), Column("difference", right=True))
_SAME, _NO_PLAN = "the same cost", "no plan"
_NONE = {MIXING_SITES: "none is cheaper", "next_best": "no other plan found"}
_UNITS = {"vcpu": "vCPU", "gpu": "GPU"}


def by_provider(plan: Plan) -> tuple[Block, ...]:
    """The best plan per cloud side by side, and what mixing sites would save."""
    mixing = next((one for one in plan.alternatives if one.name == MIXING_SITES), None)
    options = {option.id: option for option in plan.options}
    bought_from = {options[purchase.option].provider for purchase in plan.purchases}
    rows = tuple(
        _plan(provider_name(one.name), one, same="this plan" if bought_from == {one.name} else _SAME)
        for one in plan.by_provider
    )
    found: list[Block] = [Table((Column("cloud"), *_PLANS), rows)] if rows else []
    if plan.policy.get("max_share_per_provider", 1) < 1:
        found = ["No cloud may carry all of it alone (max_share_per_provider)."]
    if mixing is not None:
        saved = -(mixing.extra_monthly_usd or Decimal(0))
        what = f"save {usd(saved)} a month" if saved > 0 else "save nothing"
        found.append(f"{'More' if plan.sites else 'Mixing'} sites (max_sites=null) would {what}.")
    return tuple(found)


def alternatives(plan: Plan) -> tuple[Block, ...]:
    """The next best and other choices, with what they cost beyond the plan."""
    rows = tuple(
        _plan(one.description or words(one.name), one, none=_NONE.get(one.name, _NO_PLAN))
        for one in plan.alternatives
    )
    return (Table((Column("alternative"), *_PLANS), rows),) if rows else ()


def rule_costs(plan: Plan) -> tuple[Block, ...]:
    """What is kept spare, and the rules whose cost is known, dearest first."""
    spare = "No unit is kept spare (survive_instance_losses=0)."
    if losses := plan.policy["survive_instance_losses"]:
        lost = "one unit" if losses == 1 else f"{losses} units"
        spare = f"Spare is kept for the loss of {lost} of {number(plan.spare_unit_rps)} req/s."
        if plan.sites:
            sized = {number(one.spare_unit_rps): None for one in plan.sites}
            spare = f"Spare is kept in each site for the loss of {lost} of {' or '.join(sized)} req/s."
    priced = [
        (rule, rule.cost_monthly_usd)
        for rule in plan.rules
        if rule.cost_monthly_usd is not None and rule.limit
    ]
    dear = sorted((pair for pair in priced if pair[1]), key=lambda pair: -pair[1])
    free = [words(rule.name) for rule, cost in priced if not cost]
    columns = (Column("rule"), Column("limit"), Column("$ a month", right=True))
    rows = tuple(Row((words(rule.name), rule.limit, usd(cost))) for rule, cost in dear)
    found: list[Block] = [spare]
    if dear:
        found += [Table(columns, rows), _where_eased(plan, [rule.name for rule, _ in dear])]
    return (*found, *((f"Cost nothing here: {', '.join(free)}.",) if free else ()))


def _where_eased(plan: Plan, names: Sequence[str]) -> str:
    """What the costs of rules are, and where the plans without each were looked for."""
    here = f"in the chosen region{'s' if len(plan.sites) > 1 else ''}"
    anywhere = "in any region that the policy allows"
    apart = [words(name) for name in names if name in EASED_EVERYWHERE]
    where = here if len(apart) < len(names) else anywhere
    beside = f"; for {', '.join(apart)}: {anywhere}" if apart and where == here else ""
    return f"Each: what the best plan {where} would save if that rule alone were eased{beside}."


def quotas(plan: Plan) -> tuple[Block, ...]:
    """The quota that the fleet needs at its largest, as each provider counts it, and what is granted of it; in stages,
    that of the largest."""
    needed: dict[tuple[str, str, str, bool], PlanQuota] = {}
    for one in (*plan.quotas, *(quota for stage in plan.with_stages[1:] for quota in stage.quotas)):
        key = (one.provider, one.region, one.family, one.spot)
        needed[key] = max(needed.get(key, one), one, key=lambda quota: quota.amount)
    return quota_table(tuple(needed.values()))


def quota_table(needed: Sequence[PlanQuota]) -> tuple[Block, ...]:
    """What is needed of each quota at the most, and what is granted of it."""
    if not needed:
        return ()
    columns = (
        Column("where"),
        Column("quota"),
        Column("for"),
        Column("needed", right=True),
        Column("granted", right=True),
        Column("ask for", right=True),
    )
    return (Table(columns, tuple(map(_quota, needed))),)


def _quota(quota: PlanQuota) -> Row:
    needed = f"{quota.amount:,} {_UNITS.get(quota.unit, quota.unit)}"
    granted = "not known" if quota.granted is None else f"{quota.granted:,g}"
    if quota.granted is not None and quota.granted_on is not None:
        granted += f" ({quota.granted_on})"
    enough = quota.granted is not None and quota.granted >= quota.amount
    cells = (
        site(quota.provider, quota.region),
        quota.family,
        "spot" if quota.spot else "on demand and committed",
        needed,
        granted,
        "enough" if enough else needed,
    )
    return Row(cells)


def _plan(label: str, alternative: PlanAlternative, *, same: str = _SAME, none: str = _NO_PLAN) -> Row:
    extra = alternative.extra_monthly_usd
    against = "—"
    if extra is not None:
        against = same if not extra else f"+{usd(extra)}" if extra > 0 else usd(extra)
    cells = (
        label,
        fleet_in_words(alternative.fleet) or none,
        usd_or_dash(alternative.monthly_usd),
        against,
    )
    return Row(cells)


def fleet_in_words(lines: tuple[PlanFleetLine, ...]) -> str:
    """`AWS us-east-2: p5.48xlarge 8 commitment + 0–4 spot, g6.xlarge 2 on demand by hour`."""
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        how = HOW.get(line.how, words(line.how))
        amount = f"{units(line.min_units, line.max_units)} {how}"
        places[site(line.provider, line.region)][line.instance_type].append(amount)
    return "; ".join(
        f"{place}: {', '.join(f'{name} ' + ' + '.join(amounts) for name, amounts in types.items())}"
        for place, types in places.items()
    )
