"""The budgets of --why as tables: a step part by part, TTFT and TPOT, memory."""

from __future__ import annotations

from collections.abc import Sequence

from optimiser.performance.budgets import FirstTokenBudget, MemoryBudget, PartTime, PerTokenBudget, StepBudget
from optimiser.report.document import Column, Row, Table
from optimiser.report.wording import counted, number, percent

PARTS = {
    "attention_projections": "attention projections",
    "feed_forward": "feed-forward",
    "routed_experts": "routed experts",
    "output_head": "output head",
    "kv_cache": "KV-cache attention",
    "prompt_attention": "prompt attention",
    "activations": "activations, sampling",
    "drafts": "drafting",
    "lora_adapters": "LoRA adapters",
    "stage_waits": "pipeline waits",
    "communication": "communication",
    "launches": "launches",
    "host": "host",
}
_LEGEND = (
    "KV-cache attention reads the cache of the decoding sequences; launches and host are overheads. Limit: what a "
    "part waits for. Of peak: what it reaches of the data sheet's bandwidth (memory) or FLOPS (compute)."
)


def in_flight(mean: float) -> str:
    return f"{number(mean)} sequence{'' if number(mean) == '1' else 's'}"


def steps(decode: StepBudget | None, mixed: StepBudget | None) -> tuple[Table | str, ...]:
    """Both steps beside each other, part by part, and what each holds."""
    if decode is None or mixed is None:
        return ()
    heads = ("ms", "%", "limit", "of peak")
    columns = [Column("part")]
    for step in ("decode", "mixed"):
        columns += [
            Column(f"{step} {head}" if head == "ms" else head, right=head != "limit") for head in heads
        ]
    sides = _side(decode), _side(mixed)
    nothing = ("—", "—", "", "")
    rows = [
        Row((title, *sides[0].get(name, nothing), *sides[1].get(name, nothing)))
        for name, title in PARTS.items()
        if name in sides[0] or name in sides[1]
    ]
    rows.append(Row(("step", number(decode.ms), "100.0", "", "", number(mixed.ms), "100.0", "", "")))
    said = (
        f"Decode step ({percent(decode.share_of_steps)} of steps): {_gain(decode)} for each of "
        f"{in_flight(decode.sequences)}, "
        f"looking back at {decode.context_tokens:,.0f} tokens. Mixed step ({percent(mixed.share_of_steps)}): with "
        f"{mixed.prompt_tokens:,.0f} prompt tokens beside them."
    )
    return Table(tuple(columns), tuple(rows)), said, _LEGEND


def _gain(step: StepBudget) -> str:
    return "a token" if step.tokens_per_step == 1.0 else f"{step.tokens_per_step:g} tokens"


def _side(step: StepBudget) -> dict[str, tuple[str, str, str, str]]:
    shares = _hundred([part.share for part in step.parts])
    return {
        part.name: (number(part.ms), share, part.limited_by, _of_peak(part))
        for part, share in zip(step.parts, shares, strict=True)
    }


def _of_peak(part: PartTime) -> str:
    return "" if part.of_peak is None else f"{part.of_peak * 100:.0f} %"


def _hundred(shares: Sequence[float]) -> list[str]:
    """Shares as percentages of one decimal that sum to 100.0: the largest remainders are rounded up."""
    tenths = [share * 1000 for share in shares]
    whole = [int(one) for one in tenths]
    by_remainder = sorted(range(len(tenths)), key=lambda index: whole[index] - tenths[index])
    for index in by_remainder[: round(sum(tenths)) - sum(whole)]:
        whole[index] += 1
    return [f"{one / 10:.1f}" for one in whole]


def latency(first: FirstTokenBudget | None, each: PerTokenBudget | None) -> tuple[Table, ...]:
    if first is None:
        return ()
    ttft = {
        "request overhead": first.request_overhead_ms,
        "own prompt": first.own_prompt_ms,
        "step under way or shared": first.step_under_way_ms,
        "prefill queue": first.prefill_queue_ms,
        "wait for a place": first.wait_for_place_ms,
    }
    tables = [_sum("TTFT", ttft, first.total_ms, first.target_ms)]
    if each is not None:
        tpot = {"decode step": each.decode_step_ms, "prompts beside it": each.prompts_ms}
        if each.target_ms is not None:
            tpot["spread to the percentile"] = each.spread_ms
        tables.append(_sum("TPOT", tpot, each.total_ms, each.target_ms))
    return tuple(tables)


def _sum(name: str, terms: dict[str, float], total: float, target: float | None) -> Table:
    of = f"{name}, target {number(target)} ms" if target else name
    rows = [Row((term, f"{value:,.1f}")) for term, value in terms.items()]
    return Table((Column(of), Column("ms", right=True)), (*rows, Row(("sum", f"{total:,.1f}"))))


def memory_table(memory: MemoryBudget | None) -> tuple[Table | str, ...]:
    if memory is None:
        return ()
    terms = {
        "weights": memory.weights_gib,
        "working memory": memory.working_gib,
        "KV cache": memory.kv_room_gib,
        "not used by the engine": memory.gpu_gib - memory.engine_gib,
    }
    rows = [Row((term, f"{value:,.1f}".replace("-", "−"))) for term, value in terms.items()]
    rows.append(Row(("as the driver reports it", f"{memory.gpu_gib:,.1f}")))
    fit = counted(memory.requests_that_fit, "request")
    said = (
        f"{fit} fit per replica (the engine runs {memory.engine_requests:,}): a request takes "
        f"{number(memory.request_gib)} GiB on each GPU that holds it, the longest "
        f"{number(memory.longest_request_gib)} GiB."
    )
    return Table((Column("memory"), Column("GiB", right=True)), tuple(rows)), said
