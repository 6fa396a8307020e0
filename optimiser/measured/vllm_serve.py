"""The JSON of vLLM's `vllm bench serve` (benchmark_serving.py before 0.10) and of SGLang's bench_serving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optimiser.errors import bad_value
from optimiser.measured.drafts import check_no_drafts
from optimiser.measured.reading import (
    Reading,
    check_poisson,
    count,
    day,
    needed,
    number,
    text,
    timed,
    value_at,
    whole,
)

FORMAT = "vllm bench serve"
# Totals over the run's length and the rates beside them are of the same requests, rounded at most.
AGREEMENT = 0.05
_RATES = {"request_throughput": "completed", "output_throughput": "total_output_tokens"}
_ENGINES = ("vllm", "sglang", "tensorrt-llm")
# Of drafts, vLLM's vllm/benchmarks/serve.py writes counts from the server's /metrics, its rates in % and by position;
# SGLang's bench_serving the server's avg_spec_accept_length, null without drafts, and in some releases the server's
# arguments.
_DRAFT_LENGTHS = ("spec_decode_acceptance_length", "accept_length")
_DRAFT_COUNTS = (
    "spec_decode_num_drafts",
    "spec_decode_draft_tokens",
    "spec_decode_accepted_tokens",
    "spec_decode_acceptance_rate",
    "spec_decode_per_position_acceptance_rates",
)
_DRAFT_METHODS = ("server_info.speculative_algorithm",)


def is_vllm_serve(data: Any) -> bool:
    """Whether the JSON has fields that every version of it has; that one is missing is said when it is read."""
    names = ("request_throughput", "completed", "total_input_tokens", "total_output_tokens")
    return isinstance(data, dict) and sum(name in data for name in names) > 1


def read_vllm_serve(data: Any, where: str) -> Iterator[Reading]:
    """The one run of such a file. Raises UsageError for a figure that is missing or impossible, and for drafts."""
    check_no_drafts(data, where, _DRAFT_LENGTHS, _DRAFT_COUNTS, _DRAFT_METHODS)
    completed = needed(data, where, "completed")
    whole(data, where, "completed")
    _check_rates(data, where)
    rate = _offered(data, where)
    backend = text(data, "backend", "endpoint_type").lower()
    # Before `failed` came in 0.11, what was asked for and not completed had failed.
    failed = count(data, where, "failed")
    if "failed" not in data:
        failed = max(count(data, where, "num_prompts") - int(completed), 0)
    yield Reading(
        format=FORMAT,
        prompt_tokens=needed(data, where, "total_input_tokens") / completed,
        output_tokens=needed(data, where, "total_output_tokens") / completed,
        requests=int(completed),
        requests_per_second=needed(data, where, "request_throughput"),
        failed=failed,
        concurrency=number(data, where, "max_concurrency"),
        request_rate=rate,
        ttft_ms=timed(data, where, "mean_ttft_ms"),
        ttft_p99_ms=timed(data, where, "p99_ttft_ms"),
        tpot_ms=timed(data, where, "mean_tpot_ms"),
        tpot_p99_ms=timed(data, where, "p99_tpot_ms"),
        model=text(data, "model_id"),
        # --metadata of vllm bench serve: its documentation suggests these names.
        tensor_parallel=whole(data, where, "tp", "tensor_parallel_size"),
        pipeline_parallel=whole(data, where, "pp", "pipeline_parallel_size"),
        engine_version=text(data, "version", "engine_version"),
        engine=backend if backend in _ENGINES else "",
        measured_on=day(value_at(data, "date")),
    )


def _offered(data: Any, where: str) -> float | None:
    """Requests offered per second; None where all were there at once, and `burstiness` says nothing.

    Raises UsageError for arrivals other than Poisson's, and for a rate that rose in the run (request_rate is "inf").
    """
    if text(data, "ramp_up_strategy"):
        right = "the rate rose in the run: no one load to anchor on"
        raise bad_value(where, "ramp_up_strategy", data["ramp_up_strategy"], right)
    rate = number(data, where, "request_rate")
    if rate is not None:
        check_poisson(data, where, "burstiness")
    return rate


def _check_rates(data: Any, where: str) -> None:
    """UsageError where a rate is not its total over the run's duration; what is not told is not compared."""
    duration = number(data, where, "duration")
    for name, of in _RATES.items():
        rate, total = number(data, where, name), number(data, where, of)
        if duration is None or rate is None or total is None:
            continue
        right = total / duration
        if abs(rate / right - 1.0) > AGREEMENT:
            told = f"{of} ÷ duration = {total:,.6g} ÷ {duration:,.6g} s = {right:,.6g}"
            raise bad_value(where, name, rate, f"contradicts {told}: it must be within {AGREEMENT:.0%}")
