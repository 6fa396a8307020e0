"""What --explain adds: which rules bind, what else was possible, and what was rejected and why."""

from __future__ import annotations

from collections import defaultdict

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanRejection, PlanRule, PlanSensitivity
from optimiser.planning.rules import EASED_EVERYWHERE
from optimiser.report.choices import fleet_in_words
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import HOW, number, percent, provider_name, site, term, usd, usd_or_dash, words

_EXAMPLES = 2


def rules(plan: Plan) -> tuple[Block, ...]:
    """Every rule with its slack, binding ones first."""
    if not plan.rules:
        return ()
    columns = (
        Column("rule"),
        Column("limit"),
        Column("slack", right=True),
        Column(""),
        Column("$ a month", right=True),
    )
    ordered = sorted(plan.rules, key=lambda rule: not rule.binding)
    return (Table(columns, tuple(map(_rule, ordered))),)


def what_ifs(plan: Plan) -> tuple[Block, ...]:
    """What each rule that costs something costs, and the plan with it eased, dearest first; a sentence each."""
    dear = [(rule, rule.cost_monthly_usd) for rule in plan.rules if rule.cost_monthly_usd and rule.eased]
    total = plan.totals.total_monthly_usd
    return tuple(
        f"“{rule.limit}” costs {usd(cost)} a month: with {rule.eased} the best plan "
        f"in {'any' if rule.name in EASED_EVERYWHERE else 'the same'} region is {usd(total - cost)} "
        f"a month, {fleet_in_words(rule.eased_fleet)}."
        for rule, cost in sorted(dear, key=lambda pair: -pair[1])
    )


def sensitivity(plan: Plan) -> tuple[Block, ...]:
    """The plan where a price or an estimate is off by a fifth: the same fleet, and the best one then."""
    if not plan.sensitivity:
        return ()
    columns = (
        Column("if this is off"),
        Column("by", right=True),
        Column("this fleet", right=True),
        Column("best then", right=True),
        Column("which is"),
    )
    said = (
        "One at a time, $ a month; an estimate is off everywhere, a price where the plan pays it. This fleet is short "
        "where it no longer carries the planned demand, spare used up. The best is chosen with commitments weighed "
        "against falling prices and shown as billed, so that it may be billed more."
    )
    return (Table(columns, tuple(map(_shifted, plan.sensitivity))), said)


def _shifted(one: PlanSensitivity) -> Row:
    what = f"estimate of {one.name}"
    if one.of == "price":
        what = f"{one.name} {HOW.get(one.how, words(one.how))}, {site(one.provider, one.region)}"
    kept = usd(one.kept_monthly_usd)
    if one.kept_short_rps:
        kept = f"{number(one.kept_short_rps)} req/s short"
    best = "the same machines" if one.same_machines else fleet_in_words(one.best_fleet) or "no plan"
    by = f"{'+' if one.factor > 1 else '−'}{percent(abs(one.factor - 1))}"
    return Row((what, by, kept, usd_or_dash(one.best_monthly_usd), best))


def start_up(plan: Plan) -> tuple[Block, ...]:
    """How long each machine in use takes to start."""
    known = {
        one.instance_type: one.start_up_minutes for one in plan.options if one.start_up_minutes is not None
    }
    columns = (Column("instance type"), Column("minutes until it serves", right=True))
    rows = tuple(Row((name, f"{minutes:g}")) for name, minutes in known.items())
    return (Table(columns, rows),) if rows else ()


def rejections(plan: Plan) -> tuple[Block, ...]:
    """Instance types that are out, grouped by reason, with examples."""
    groups: dict[str, list[PlanRejection]] = defaultdict(list)
    for rejection in plan.rejections:
        groups[rejection.code].append(rejection)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    columns = (Column("reason"), Column("types", right=True), Column("for instance"))
    rows = tuple(Row((term(code), f"{len(group):,}", _examples(group))) for code, group in ordered)
    return (Table(columns, rows),) if rows else ()


def _rule(rule: PlanRule) -> Row:
    slack = "—" if rule.slack is None else f"{number(rule.slack)} {rule.unit}".strip()
    binding = "binds" if rule.binding else ""
    return Row(
        (
            words(rule.name),
            rule.limit or "off in this policy",
            slack,
            binding,
            usd_or_dash(rule.cost_monthly_usd),
        )
    )


def _examples(group: list[PlanRejection]) -> str:
    """The first of every distinct reason, as far as there is room."""
    by_reason = {rejection.reason: rejection for rejection in reversed(group)}
    shown = list(reversed(by_reason.values()))[:_EXAMPLES]
    return "; ".join(f"{provider_name(one.provider)} {one.instance_type}: {one.reason}" for one in shown)
