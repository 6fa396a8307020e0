"""The JSON report of GuideLLM: one benchmark for each strategy of its profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.measured.drafts import check_no_drafts
from optimiser.measured.reading import Reading, count, day, needed, number, text, timed, value_at

FORMAT = "guidellm"
# Where a benchmark says how it was driven: since 0.4, and before.
_STRATEGIES = ("config.strategy", "scheduler.strategy", "args.strategy")
_KNOWN = ("synchronous", "concurrent", "constant", "poisson", "throughput")
_MODELS = (
    "config.spec.backend.model",
    "args.model",
    "benchmarks.config.backend.model",
    "args.backend_kwargs.model",
)
_BENCHMARK_MODELS = (
    "config.backend.model",
    "backend.model",
    "worker.backend_model",
    "benchmarker.backend.model",
)
# Of drafts it tells nothing but what it started vLLM with itself (backend vllm_python), beside the model's name.
_DRAFTS = (
    "config.spec.backend.vllm_config.speculative_config",
    "args.vllm_config.speculative_config",
    "benchmarks.config.backend.vllm_config.speculative_config",
    "args.backend_kwargs.vllm_config.speculative_config",
)
_BENCHMARK_DRAFTS = (
    "config.backend.vllm_config.speculative_config",
    "backend.vllm_config.speculative_config",
    "benchmarker.backend.vllm_config.speculative_config",
)


def is_guidellm(data: Any) -> bool:
    """Whether the JSON holds benchmarks with GuideLLM's metrics or strategies."""
    runs = value_at(data, "benchmarks")
    marks = ("metrics.requests_per_second", *_STRATEGIES)
    return isinstance(runs, list) and any(value_at(run, mark) is not None for run in runs for mark in marks)


def read_guidellm(data: Any, where: str) -> Iterator[Reading]:
    """Every benchmark in which requests were completed, in order, but those of a strategy that is not known: the first
    of the others has a remark on each of them.

    Raises UsageError for a figure that is missing or impossible, for drafts, where no benchmark completed a request and
    where only those of strategies that are not known did.
    """
    check_no_drafts(data, where, methods=_DRAFTS)
    found, left_out = [], []
    for place, run in enumerate(data["benchmarks"], start=1):
        at = f"{where} benchmark {place}"
        if value_at(run, "metrics") is None:
            raise bad_value(at, "metrics", None, "is missing: nothing was measured, or the file is not whole")
        check_no_drafts(run, at, methods=_BENCHMARK_DRAFTS)
        completed = count(run, at, "metrics.request_totals.successful", "run_stats.requests_made.successful")
        unknown = completed and _unknown_strategy(run)
        if unknown:
            left_out.append(f"benchmark {place}: {unknown}")
        elif completed:
            found.append(_reading(run, at, completed, text(data, *_MODELS)))
    if not found:
        raise UsageError(f"{where}{' ' + left_out[0] if left_out else ': no benchmark completed a request'}")
    yield replace(found[0], remarks=tuple(f"left out: {one}" for one in left_out))
    yield from found[1:]


def _strategy(run: Any) -> tuple[str, str]:
    """Where the run's strategy stands, and its name; "" for both where it is missing."""
    for path in _STRATEGIES:
        if kind := text(run, f"{path}.type_", f"{path}.kind"):
            return path, kind
    return "", ""


def _unknown_strategy(run: Any) -> str:
    path, kind = _strategy(run)
    return f"{path} = {kind!r}: known are {', '.join(_KNOWN)}" if kind and kind not in _KNOWN else ""


def _reading(run: Any, where: str, completed: int, model: str) -> Reading:
    concurrency, rate, kind = _load(run, where)

    def metric(name: str, statistic: str = "mean") -> str:
        return f"metrics.{name}.successful.{statistic}"

    return Reading(
        format=FORMAT,
        prompt_tokens=needed(run, where, metric("prompt_token_count")),
        output_tokens=needed(run, where, metric("output_token_count")),
        requests=completed,
        requests_per_second=needed(run, where, metric("requests_per_second")),
        # Incomplete requests are those under way when the time was up: no failures.
        failed=count(run, where, "metrics.request_totals.errored", "run_stats.requests_made.errored"),
        concurrency=concurrency,
        request_rate=rate,
        evenly_spaced=kind == "constant",
        ttft_ms=timed(run, where, metric("time_to_first_token_ms")),
        ttft_p99_ms=timed(run, where, metric("time_to_first_token_ms", "percentiles.p99")),
        # time_per_output_token_ms counts the first token in; this does not.
        tpot_ms=timed(run, where, metric("inter_token_latency_ms")),
        tpot_p99_ms=timed(run, where, metric("inter_token_latency_ms", "percentiles.p99")),
        model=model or text(run, *_BENCHMARK_MODELS),
        measured_on=day(value_at(run, "start_time") or value_at(run, "run_stats.start_time")),
    )


def _load(run: Any, where: str) -> tuple[float | None, float | None, str]:
    """(requests in flight, requests offered per second, name) of the run's strategy; None, None for all at once."""
    path, kind = _strategy(run)
    if kind == "synchronous":
        return 1.0, None, kind
    if kind == "concurrent":
        return needed(run, where, f"{path}.streams", f"{path}.rate"), None, kind
    if kind in ("constant", "poisson"):
        return None, needed(run, where, f"{path}.rate"), kind
    if kind == "throughput":
        most = number(run, where, f"{path}.max_concurrency")
        # Fewer requests than may be in flight are all there from the start.
        return (most if most and most < _made(run, where) else None), None, kind
    raise UsageError(f"{where}: {_STRATEGIES[0]} is missing: under which load it was measured is not told")


def _made(run: Any, where: str) -> int:
    """Requests that were made: completed, failed, and under way when the time was up."""
    kinds = ("successful", "errored", "incomplete")
    return sum(
        count(run, where, f"metrics.request_totals.{kind}", f"run_stats.requests_made.{kind}")
        for kind in kinds
    )
