"""What --explain adds: which rules bind, what else was possible, and what was rejected and why."""

from __future__ import annotations

from collections import defaultdict

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanRejection, PlanRule
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import number, provider_name, term, usd_or_dash, words

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
