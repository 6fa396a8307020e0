"""What the answer rests on: price dates, estimates, the proof, the policy, and what is left out."""

from __future__ import annotations

from datetime import date

from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanOption
from optimiser.policy import Policy
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import layout, number, percent, provider_name, term, usd, words


def prices(plan: Plan) -> tuple[Block, ...]:
    """Price dates per provider and tier, and the tiers that have none."""
    columns = (
        Column("provider"),
        Column("tier"),
        Column("prices", right=True),
        Column("oldest"),
        Column("newest"),
        Column("oldest used"),
    )
    rows = tuple(
        Row(
            (
                provider_name(row.provider),
                words(row.tier),
                f"{row.offers:,}",
                row.oldest.isoformat(),
                row.newest.isoformat(),
                _dated(plan, row.oldest_used),
            )
        )
        for row in plan.price_dates
    )
    missing = plan.tiers_without_prices
    without = (f"Priced only in part: {'; '.join(map(words, missing))}.",) if missing else ()
    sources = (f"Prices from: {'; '.join(plan.price_sources)}.",) if plan.price_sources else ()
    return (*((Table(columns, rows),) if rows else ()), *without, *sources)


def estimates(plan: Plan) -> tuple[Block, ...]:
    """What one unit of every option in use carries, and how that is known."""
    used = {purchase.option for purchase in plan.purchases}
    options = [option for option in plan.options if option.id in used]
    percentiles = [service.percentile for service in plan.services if service.percentile is not None]
    at = f" p{percentiles[0]:g}" if percentiles else ""
    columns = (
        Column("one unit"),
        Column("precision"),
        Column("req/s", right=True),
        Column("margin", right=True),
        Column("planned", right=True),
        Column(f"TTFT{at}", right=True),
        Column(f"TPOT{at}", right=True),
        Column("limited by"),
    )
    # One machine in several sites is estimated once.
    table = Table(columns, tuple(dict.fromkeys(map(_estimate, options))))
    methods = {option.estimate_method: None for option in options}
    targets = [
        f"Target of {service.name}: TTFT {number(service.ttft_ms)} ms, TPOT {number(service.tpot_ms)} ms at "
        f"p{service.percentile:g} over the whole mix."
        for service in plan.services
        if service.ttft_ms is not None and service.tpot_ms is not None and service.percentile is not None
    ]
    median = percent(plan.estimate_relative_error)
    error = f"Throughput is known to ±{median} (median error): measure before signing."
    doubts = {
        f"{option.instance_type}: low confidence, ±{percent(option.estimate_relative_error)} at best.": None
        for option in options
        if option.low_confidence
    }
    notes = {f"{option.instance_type}: {note}.": None for option in options for note in option.notes}
    said = (*(f"Method: {method}." for method in methods), _planned_at(plan, options), error)
    return (table, *targets, *said, *doubts, *notes)


def proof(plan: Plan) -> tuple[Block, ...]:
    """The lower bound, how it was found, and by what solver."""
    bound = plan.bound
    terms = "under this policy, these prices and these estimates"
    what = "instances and charges" if plan.charges else "instances"
    splits = f" that splits demand in {bound.splits}" if bound.splits else ""
    least = f"No plan{splits} {terms} costs less than {usd(bound.value_usd)} a month for {what}"
    weighing = next((rule.limit for rule in plan.rules if rule.name == "weigh_commitments"), "")
    if weighing and bound.plan_usd is not None:
        least += f", where this one comes to {usd(bound.plan_usd)}, {weighing} and not as they are billed"
    found: list[Block] = [f"{least}: gap {percent(bound.gap)} ({bound.method}; {plan.solver})."]
    if bound.dropped_rules:
        found.append(f"The bound is without: {', '.join(map(words, bound.dropped_rules))}.")
    if not plan.deterministic:
        found.append("The solver stopped at a limit: another run may find another plan.")
    return tuple(found)


def policy(plan: Plan) -> tuple[Block, ...]:
    """Every field in force, those that differ from the tool's defaults first."""
    defaults = Policy().model_dump(mode="json")
    texts = {name: _text(value) for name, value in plan.policy.items()}
    changed = {name: text for name, text in texts.items() if text != _text(defaults.get(name))}
    kept = {name: text for name, text in texts.items() if name not in changed}
    parts = (("Changed", changed), ("Defaults", kept))
    listed = ((head, ", ".join(f"{name}={text}" for name, text in fields.items())) for head, fields in parts)
    return tuple(f"{head}: {fields}." for head, fields in listed if fields)


def not_included(plan: Plan) -> tuple[Block, ...]:
    """What the cost leaves out."""
    return (f"{', '.join(plan.not_included)}.",) if plan.not_included else ()


def _estimate(option: PlanOption) -> Row:
    setup = layout(
        option.tensor_parallel,
        option.pipeline_parallel,
        option.replicas_per_unit,
        attention_data_parallel=option.attention_data_parallel,
    )
    cells = (
        f"{option.instance_type} {setup}",
        f"{option.weight_precision}, KV {option.kv_precision}",
        number(option.estimated_rps),
        percent(option.margin),
        number(option.rate_rps),
        f"{number(option.ttft_ms)} ms",
        f"{number(option.tpot_ms)} ms" if option.tpot_ms else "—",
        term(option.limited_by),
    )
    return Row(cells, _loads(option))


def _planned_at(plan: Plan, options: list[PlanOption]) -> str:
    """The share of the estimates that is planned on, and how sure such a rate is."""
    shares = [1 - option.margin for option in options]
    at = f"Planned at {' to '.join(dict.fromkeys((percent(min(shares)), percent(max(shares)))))} of the estimates"
    margin, confidence = plan.policy["performance_margin"], plan.policy.get("performance_confidence")
    if margin is not None or confidence is None:
        return f"{at} (performance_margin={_text(margin)})."
    return f"{at}: at least that is served in {confidence * 100:g} % of such cases."


def _loads(option: PlanOption) -> str:
    """Latency at several loads."""
    if not option.load_points:
        return ""
    points = option.load_points
    at = "/".join(f"{point.utilisation * 100:.0f}" for point in points)
    ttft = "/".join(number(point.ttft_ms) for point in points)
    tpot = "/".join(number(point.tpot_ms) for point in points)
    return f"{option.instance_type} at {at} % load: TTFT {ttft} ms, TPOT {tpot} ms"


def _dated(plan: Plan, day: date | None) -> str:
    return "—" if day is None else f"{day} ({(plan.planned_on - day).days:,} d)"


def _text(value: object) -> str:
    """A policy value as `--set` takes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
