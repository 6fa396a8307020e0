"""Why one instance type does what it does for a workload, or why it is out: the budgets, and what would help."""

from __future__ import annotations

import json

from optimiser.errors import bad_value
from optimiser.performance.budgets import FirstTokenBudget
from optimiser.performance.estimate_types import Setup
from optimiser.performance.lifts import LEAST_GAIN
from optimiser.performance.why import RateBudget, Why
from optimiser.planning.plan import to_jsonable
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.text_layout import text_of
from optimiser.report.why_tables import PARTS, in_flight, latency, memory_table, steps
from optimiser.report.wording import counted, layout, number, percent, provider_name
from optimiser.workload import Target, Workload

WHY_FORMATS = ("table", "json")


def render_why(format_name: str, workload: Workload, why: Why, *, colour: bool = False) -> str:
    """The explanation in one of WHY_FORMATS, JSON with every figure unrounded. Raises UsageError for another."""
    if format_name == "table":
        return text_of(why_document(workload, why), colour=colour)
    if format_name == "json":
        return json.dumps(to_jsonable(why), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    right = f"--why is shown as {' or '.join(WHY_FORMATS)}"
    raise bad_value("--format", "format", format_name, right)


def why_document(workload: Workload, why: Why) -> Document:
    """The explanation as a report of at most a screen's width."""
    place = f"{provider_name(why.provider)} {_unit(why)} ({why.gpus_per_instance}×{why.gpu})"
    asked = f"{why.model} on {why.engine}, {_target(workload.target)}"
    serves = "does not serve it"
    if why.rate and not why.rejected:
        error = f" ±{percent(why.relative_error)}" if why.relative_error is not None else ""
        serves = f"serves {number(why.rate.requests_per_second)} req/s{error} as {_layout(why.setup)}"
    return Document(
        f"{workload.name} on {place}: {serves} ({asked})",
        (
            Section("What limits it", (_limit(why, workload.target), *_pool(why))),
            Section(_at_load("One step", why), steps(why.decode_step, why.mixed_step)),
            Section(_at_load("Rate", why), (_rate(why.rate), *_others(why)) if why.rate else ()),
            Section(_at_load(f"Latency, {_percentile(why)}", why), latency(why.first_token, why.per_token)),
            Section(f"Memory of one GPU, {_layout(why.setup)}", memory_table(why.memory)),
            Section("What would make it serve" if why.rejected else "What would lift it", _lifts(why)),
            Section("Method", _method(why)),
        ),
    )


def _unit(why: Why) -> str:
    instances = why.setup.instances_per_unit if why.setup else 1
    return f"{instances} × {why.instance_type}" if instances > 1 else why.instance_type


def _layout(setup: Setup | None) -> str:
    if setup is None:
        return ""
    return layout(
        setup.tensor_parallel,
        setup.pipeline_parallel,
        setup.replicas_per_unit,
        attention_data_parallel=setup.attention_data_parallel,
    )


def _target(target: Target | None) -> str:
    if target is None:
        return "no latency target"
    return f"p{target.percentile:g} TTFT {number(target.ttft_ms)} ms, TPOT {number(target.tpot_ms)} ms"


def _percentile(why: Why) -> str:
    return "median" if why.percentile == 50 else f"p{why.percentile:g}"


def _at_load(title: str, why: Why) -> str:
    """A title with what is supposed where the instance type is out."""
    if not why.rejected:
        return title
    supposed = "if host RAM sufficed" if why.rate else "where requests do not meet"
    return f"{title}, {_layout(why.setup)} {supposed}"


def _limit(why: Why, target: Target | None) -> str:
    """What limits the rate, or why there is none, in a sentence or two."""
    if why.rate is None or why.rejected:
        return f"{why.reason[:1].upper()}{why.reason[1:]}."
    sequences = f"{in_flight(why.rate.concurrency_per_replica)} per replica"
    step = f"a mean step of {number(why.rate.mean_step_ms)} ms"
    largest = PARTS[why.rate.largest_part]
    part = f"The largest part of that step is {largest}: {percent(why.rate.largest_part_share)}."
    if why.limited_by == "tpot" and why.per_token and target:
        spread = f"{number(why.per_token.total_ms)} of {number(target.tpot_ms)} ms"
        return f"The TPOT target: at {sequences}, {step} and its spread reach {spread}. {part}"
    if why.limited_by == "ttft" and why.first_token:
        return f"The TTFT target: at {sequences} and {step}, {_late(why.first_token)}. {part}"
    if why.limited_by == "kv_room" and why.memory:
        room = counted(why.memory.requests_that_fit, "request")
        return f"KV-cache room: it holds {room} per replica; {sequences} take {step}. {part}"
    if why.limited_by == "batch" and why.memory:
        most = f"{why.memory.engine_requests:,} requests per replica at once"
        return f"The engine: it runs {most}; {sequences} take {step}. {part}"
    return f"Compute: beyond {sequences} and {step} the rate falls. {part}"


def _pool(why: Why) -> tuple[str, ...]:
    """How the bursts of the service are spread, and what else would be."""
    if why.pool is None:
        return ()
    alone, without = (
        f"{number(rate)} req/s" if rate else "nothing within the target"
        for rate in (why.pool.requests_per_second_alone, why.pool.requests_per_second_without_bursts)
    )
    if why.pool.replicas == 1:
        unfilled = "as many as would serve" if why.rejected else "two"
        return (
            "Explained is a machine of which each replica sees all bursts of the service: the plan's quietest hour "
            f"does not fill {unfilled}. If each saw none of them, as among very many, it would serve {without}.",
        )
    return (
        f"Bursts of the service are spread over the {why.pool.replicas} replicas or more that always run in a plan. "
        f"If each saw all of them this machine would serve {alone}; if each saw none, as among very many, {without}.",
    )


def _late(first: FirstTokenBudget) -> str:
    """Which of the two limits of TTFT is the nearer."""
    target, limit = first.target_ms or 1.0, first.longest_prompts_limit_ms or 1.0
    if first.longest_prompts_ms / limit > first.total_ms / target:
        reached = f"{number(first.longest_prompts_ms)} of {number(limit)} ms"
        return f"TTFT of the longest prompts reaches {reached} ({limit / target:g} × the target)"
    return f"TTFT reaches {number(first.total_ms)} of {number(target)} ms"


def _rate(rate: RateBudget) -> str:
    steps = f"{number(rate.output_tokens)} output tokens × {number(rate.mean_step_ms)} ms mean step"
    replicas = counted(rate.replicas, "replica")
    going = in_flight(rate.concurrency_per_replica)
    if rate.tokens_per_step != 1.0:
        going += f" × {rate.tokens_per_step:g} tokens a step"
    return f"{replicas} × {going} / ({steps}) = {number(rate.requests_per_second)} req/s."


def _others(why: Why) -> tuple[str, ...]:
    """What other set-ups would serve, in one statement."""
    served = [f"{_layout(other.setup)} {number(other.requests_per_second)}" for other in why.other_setups]
    return (f"Other set-ups, req/s: {', '.join(served)}.",) if served else ()


def _method(why: Why) -> tuple[str, ...]:
    if why.relative_error is None:
        return ()
    method = f"{why.method[:1].upper()}{why.method[1:]}. Median error ±{why.relative_error * 100:.0f} %."
    return (method, *(f"{note[:1].upper()}{note[1:]}." for note in why.notes))


def _lifts(why: Why) -> tuple[Table | str, ...]:
    if not why.lifts:
        least = "makes it serve" if why.rejected else f"raises req/s by over {percent(LEAST_GAIN)}"
        return (f"No single change that was tried {least}.",)
    columns = (Column("change"), Column("set-up"), Column("req/s", right=True), Column("gain", right=True))
    rows = [
        Row(
            (
                lift.change,
                _layout(lift.setup),
                number(lift.requests_per_second),
                "—" if lift.gain is None else f"+{percent(lift.gain)}",
            )
        )
        for lift in why.lifts
    ]
    instances = why.setup.instances_per_unit if why.setup and not why.rejected else 1
    return Table(columns, tuple(rows)), f"Each change by itself; req/s of {counted(instances, 'instance')}."
