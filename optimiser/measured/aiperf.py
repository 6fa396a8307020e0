"""The JSON export of NVIDIA GenAI-Perf and of AIPerf, which kept its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from optimiser.errors import UsageError, bad_value
from optimiser.measured.cached_prompts import check_not_cached
from optimiser.measured.drafts import check_no_drafts
from optimiser.measured.names import engine_named
from optimiser.measured.reading import Reading, check_poisson, count, day, needed, number, text, value_at

FORMAT = "aiperf"
OLDER_FORMAT = "genai-perf"
# AIPerf 0.10 (schema 1.3) says the load in phases; its types without a rate or a number in flight (a trace's schedule,
# users with several turns) are no load that estimates know.
_PHASE_TYPES = ("concurrency", "poisson", "gamma", "constant")
# How requests at a rate come, in files of AIPerf without phases (request_rate_mode before 0.4); Poisson's by default.
_PATTERNS = ("loadgen.arrival_pattern", "loadgen.request_rate_mode")
_KNOWN_PATTERNS = ("poisson", "gamma", "constant")
_RATE_UNITS = ("", "requests/sec", "requests/s")
_CONCURRENCIES = ("loadgen.concurrency", "perf_analyzer.stimulus.concurrency", "concurrency")
# vLLM's burstiness by another name.
_SMOOTHNESS = "loadgen.arrival_smoothness"
# Where the server tells of drafts with each answer (AIPerf's metrics reference, Speculative Decoding Metrics; the last
# is OpenAI's usage field). GenAI-Perf has none of them.
_DRAFT_LENGTHS = ("spec_decode_acceptance_length.avg", "spec_decode_token_weighted_acceptance_length.avg")
_DRAFT_COUNTS = (
    "spec_decode_draft_tokens.avg",
    "spec_decode_accepted_draft_tokens.avg",
    "spec_decode_draft_acceptance_rate.avg",
    "spec_decode_overall_draft_acceptance_rate.avg",
    "total_draft_tokens.avg",
    "total_accepted_draft_tokens.avg",
    "usage_accepted_prediction_tokens.avg",
)
_RATES = ("loadgen.request_rate", "perf_analyzer.stimulus.request_rate", "request_rate")


def is_aiperf(data: Any) -> bool:
    """Whether the JSON holds metrics with units and averages, and the configuration they were taken with."""
    config = value_at(data, "input_config")
    return isinstance(config, dict) and any(
        value_at(data, path) is not None
        for path in ("request_throughput", "records.request_throughput", "records.error_request_count")
    )


def read_aiperf(data: Any, where: str) -> Iterator[Reading]:
    """The one run of such a file.

    Raises UsageError for a figure that is missing or impossible, for a run that was cancelled, had drafts or prompts
    that a cache keeps, and where the file does not say under which load it was measured.
    """
    metrics, config = data.get("records", data), data["input_config"]
    check_no_drafts(metrics, where, _DRAFT_LENGTHS, _DRAFT_COUNTS)
    check_not_cached(config, where)
    failed = count(metrics, where, "error_request_count.avg") or _errors(data, where)
    if value_at(metrics, "request_throughput") is None:
        raise UsageError(f"{where}: no request was completed, {failed:,} failed")
    if value_at(data, "was_cancelled") is True:
        raise bad_value(
            where, "was_cancelled", True, "must be false: a run cut off is no measure of its load"
        )
    rate_unit = text(metrics, "request_throughput.unit")
    if rate_unit not in _RATE_UNITS:
        raise bad_value(where, "request_throughput.unit", rate_unit, "must be requests/sec")
    newer = "loadgen" in config or "phases" in config or "aiperf_version" in data
    load = _load(config, where, newer)
    yield Reading(
        format=FORMAT if newer else OLDER_FORMAT,
        prompt_tokens=needed(metrics, where, "input_sequence_length.avg", "num_input_token.avg"),
        output_tokens=needed(metrics, where, "output_sequence_length.avg", "num_output_token.avg"),
        requests=count(metrics, where, "request_count.avg") or None,
        requests_per_second=needed(metrics, where, "request_throughput.avg"),
        failed=failed,
        concurrency=load.concurrency,
        request_rate=load.request_rate,
        evenly_spaced=load.evenly_spaced,
        ttft_ms=_milliseconds(metrics, where, "time_to_first_token", "avg"),
        ttft_p99_ms=_milliseconds(metrics, where, "time_to_first_token", "p99"),
        tpot_ms=_milliseconds(metrics, where, "inter_token_latency", "avg"),
        tpot_p99_ms=_milliseconds(metrics, where, "inter_token_latency", "p99"),
        model=text(config, "endpoint.model_names", "model_names", "model") or _model_of_items(config),
        engine=engine_named(text(config, "endpoint.backend", "backend")),
        measured_on=day(value_at(data, "start_time")),
    )


@dataclass(frozen=True, kw_only=True)
class _Load:
    """Requests in flight and offered per second, of which one is told at least, and whether they came evenly spaced."""

    concurrency: float | None = None
    request_rate: float | None = None
    evenly_spaced: bool = False


def _load(config: Any, where: str, newer: bool) -> _Load:
    """The load of the run, told by AIPerf or by GenAI-Perf before it; UsageError where it is not."""
    phases = value_at(config, "phases")
    if phases is not None:
        return _load_of_phases(phases, where)
    concurrency, rate = number(config, where, *_CONCURRENCIES), number(config, where, *_RATES)
    if concurrency is None and rate is None:
        _no_load(where, f"input_config.{_CONCURRENCIES[0]} and {_RATES[0]} are missing")
    if rate is None:
        return _Load(concurrency=concurrency)
    check_poisson(config, where, _SMOOTHNESS)
    pattern = (text(config, *_PATTERNS) or "poisson").lower()
    if pattern not in _KNOWN_PATTERNS:
        right = f"must be one of {', '.join(_KNOWN_PATTERNS)}: how requests at a rate came is not known"
        raise bad_value(where, _PATTERNS[0], pattern, right)
    # GenAI-Perf does not say. perf_analyzer, which it calls, spaces requests evenly unless told otherwise
    # (--request-distribution, command_line_parser.h), and GenAI-Perf has no option of its own that tells it.
    return _Load(concurrency=concurrency, request_rate=rate, evenly_spaced=pattern == "constant" or not newer)


def _load_of_phases(phases: Any, where: str) -> _Load:
    """The load of the one phase that was measured; one that warms up is left out of AIPerf's metrics."""
    field = "input_config.phases"
    known = [phase for phase in phases if isinstance(phase, Mapping)] if isinstance(phases, list) else []
    measured = [
        phase
        for phase in known
        if phase.get("name") != "warmup" and phase.get("exclude_from_results") is not True
    ]
    if len(measured) != 1:
        _no_load(where, f"{field} has {len(measured)} phases that were measured, where it must be one")
    phase, at = measured[0], f"{where} {field} {text(measured[0], 'name')!r}"
    kind = text(phase, "type")
    if kind not in _PHASE_TYPES:
        raise bad_value(at, "type", kind, f"no load to anchor on: known are {', '.join(_PHASE_TYPES)}")
    if kind == "concurrency":
        return _Load(concurrency=needed(phase, at, "concurrency"))
    check_poisson(phase, at, "smoothness")
    return _Load(
        concurrency=number(phase, at, "concurrency"),
        request_rate=needed(phase, at, "rate"),
        evenly_spaced=kind == "constant",
    )


def _no_load(where: str, what: str) -> NoReturn:
    raise UsageError(f"{where}: {what}: under which load it was measured is not told")


def _model_of_items(config: Any) -> str:
    items = value_at(config, "models.items")
    return text(items[0], "name") if isinstance(items, list) and items else ""


def _milliseconds(metrics: Any, where: str, metric: str, statistic: str) -> float | None:
    unit = text(metrics, f"{metric}.unit")
    if unit not in ("", "ms"):
        raise bad_value(where, f"{metric}.unit", unit, "must be ms")
    return number(metrics, where, f"{metric}.{statistic}")


def _errors(data: Any, where: str) -> int:
    summary = value_at(data, "error_summary")
    return sum(count(entry, where, "count") for entry in summary) if isinstance(summary, list) else 0
