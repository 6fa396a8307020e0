"""The JSON export of NVIDIA GenAI-Perf and of AIPerf, which kept its shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.measured.names import engine_named
from optimiser.measured.reading import Reading, count, day, needed, number, text, value_at

FORMAT = "aiperf"
OLDER_FORMAT = "genai-perf"
_CONCURRENCIES = ("loadgen.concurrency", "perf_analyzer.stimulus.concurrency", "concurrency")
_RATES = ("loadgen.request_rate", "perf_analyzer.stimulus.request_rate", "request_rate")


def is_aiperf(data: Any) -> bool:
    """Whether the JSON holds metrics with units and averages, and the configuration they were taken with."""
    config = value_at(data, "input_config")
    return isinstance(config, dict) and any(
        value_at(data, path) is not None
        for path in ("request_throughput", "records.request_throughput", "records.error_request_count")
    )


def read_aiperf(data: Any, where: str) -> Iterator[Reading]:
    """The one run of such a file. Raises UsageError for a figure that is missing or impossible."""
    metrics, config = data.get("records", data), data["input_config"]
    failed = count(metrics, where, "error_request_count.avg") or _errors(data, where)
    if value_at(metrics, "request_throughput") is None:
        raise UsageError(f"{where}: no request was completed, {failed:,} failed")
    yield Reading(
        format=FORMAT if "loadgen" in config or "aiperf_version" in data else OLDER_FORMAT,
        prompt_tokens=needed(metrics, where, "input_sequence_length.avg", "num_input_token.avg"),
        output_tokens=needed(metrics, where, "output_sequence_length.avg", "num_output_token.avg"),
        requests=count(metrics, where, "request_count.avg") or None,
        requests_per_second=needed(metrics, where, "request_throughput.avg"),
        failed=failed,
        concurrency=number(config, where, *_CONCURRENCIES),
        request_rate=number(config, where, *_RATES),
        ttft_ms=_milliseconds(metrics, where, "time_to_first_token", "avg"),
        ttft_p99_ms=_milliseconds(metrics, where, "time_to_first_token", "p99"),
        tpot_ms=_milliseconds(metrics, where, "inter_token_latency", "avg"),
        tpot_p99_ms=_milliseconds(metrics, where, "inter_token_latency", "p99"),
        model=text(config, "endpoint.model_names", "model_names", "model"),
        engine=engine_named(text(config, "endpoint.backend", "backend")),
        measured_on=day(value_at(data, "start_time")),
    )


def _milliseconds(metrics: Any, where: str, metric: str, statistic: str) -> float | None:
    unit = text(metrics, f"{metric}.unit")
    if unit not in ("", "ms"):
        raise bad_value(where, f"{metric}.unit", unit, "must be ms")
    return number(metrics, where, f"{metric}.{statistic}")


def _errors(data: Any, where: str) -> int:
    summary = value_at(data, "error_summary")
    return sum(count(entry, where, "count") for entry in summary) if isinstance(summary, list) else 0
