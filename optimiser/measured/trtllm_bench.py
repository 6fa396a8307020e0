"""What TensorRT-LLM's `trtllm-bench throughput` tells: its --report_json file, or the table it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.measured.drafts import check_no_drafts
from optimiser.measured.names import precision_named
from optimiser.measured.plausible import IN_FLIGHT_SHARE
from optimiser.measured.reading import Reading, needed, number, text, value_at, whole

FORMAT = "trtllm-bench"
# Lines of the printed table, and where the same stands in the JSON report.
_LABELS = {
    "Model": "engine.model",
    "TensorRT LLM Version": "engine.version",
    "TensorRT-LLM Version": "engine.version",
    "Dtype": "engine.dtype",
    "KV Cache Dtype": "engine.kv_cache_dtype",
    "Quantization": "engine.quantization",
    "TP Size": "world_info.tp_size",
    "PP Size": "world_info.pp_size",
    "Max Runtime Batch Size": "world_info.max_batch_size",
    "Number of requests": "request_info.num_requests",
    "Number of concurrent requests": "request_info.avg_num_concurrent_requests",
    "Average Input Length (tokens)": "request_info.avg_input_length",
    "Average Output Length (tokens)": "request_info.avg_output_length",
    "Request Throughput (req/sec)": "performance.request_throughput_req_s",
    "Average request latency (ms)": "performance.avg_request_latency_ms",
    "Average time-to-first-token [TTFT] (ms)": "streaming_metrics.avg_ttft_ms",
    "Average time-per-output-token [TPOT] (ms)": "streaming_metrics.avg_tpot_ms",
}
# Lines of its breakdowns: section, breakdown and statistic in the JSON report.
_BREAKDOWNS = {
    "[TPOT] P99": ("streaming_metrics", "tpot_percentiles", "p99"),
    "[TTFT] P99": ("streaming_metrics", "ttft_percentiles", "p99"),
    "[AL] AVERAGE": ("decoding_stats", "acceptance_length_percentiles", "average"),
    "[DT] AVERAGE": ("decoding_stats", "num_draft_tokens_percentiles", "average"),
}
# There with speculative decoding alone (tensorrt_llm/bench/dataclasses/reporting.py); some modes count nothing.
_DRAFT_LENGTHS = ("decoding_stats.acceptance_length_percentiles.average",)
_DRAFT_COUNTS = (
    "decoding_stats.num_draft_tokens_percentiles.average",
    "decoding_stats.num_accepted_draft_tokens_percentiles.average",
    "decoding_stats.draft_acceptance_rate_percentiles.average",
)
_DRAFT_METHODS = ("decoding_stats.mode",)
_LINE = re.compile(r"^[ \t]*(?P<label>\S[^:\n]*?)[ \t]*:[ \t]*(?P<value>\S.*?)[ \t\r]*$", re.M)
# A KV cache that is "auto" is as the checkpoint has it.
_NOT_QUANTISED = ("", "none", "null", "no_quant", "auto")
_MARK = "PERFORMANCE OVERVIEW"


def is_trtllm_report(data: Any) -> bool:
    """Whether the JSON is a report of trtllm-bench."""
    return value_at(data, "performance.request_throughput_req_s") is not None


def is_trtllm_table(content: str) -> bool:
    """Whether the text holds the table that trtllm-bench prints."""
    return _MARK in content and "Request Throughput (req/sec)" in content


def table_as_report(content: str, where: str) -> dict[str, Any]:
    """The printed table in the sections of the JSON report. Raises UsageError for a log with several tables."""
    tables = content.count(_MARK)
    if tables > 1:
        raise UsageError(f"{where}: holds {tables} tables of trtllm-bench: give each a file of its own")
    report: dict[str, Any] = {}
    for found in _LINE.finditer(content):
        label, value = " ".join(found["label"].split()), found["value"]
        if label in _LABELS:
            section, name = _LABELS[label].split(".")
            report.setdefault(section, {})[name] = value
        elif label in _BREAKDOWNS:
            section, name, statistic = _BREAKDOWNS[label]
            report.setdefault(section, {})[name] = {statistic: value}
    return report


def read_trtllm(data: Any, where: str) -> Iterator[Reading]:
    """The one run of a report. Raises UsageError for a figure that is missing or impossible, and for drafts."""
    check_no_drafts(data, where, _DRAFT_LENGTHS, _DRAFT_COUNTS, _DRAFT_METHODS)
    _check_in_flight(data, where)
    tensor, stages = (
        whole(data, where, "world_info.tp_size") or 1,
        whole(data, where, "world_info.pp_size") or 1,
    )
    yield Reading(
        format=FORMAT,
        prompt_tokens=needed(data, where, "request_info.avg_input_length"),
        output_tokens=needed(data, where, "request_info.avg_output_length"),
        requests=int(needed(data, where, "request_info.num_requests")),
        requests_per_second=needed(data, where, "performance.request_throughput_req_s"),
        concurrency=number(data, where, "request_info.avg_num_concurrent_requests"),
        batch_limit=number(data, where, "world_info.max_batch_size"),
        ttft_ms=number(data, where, "streaming_metrics.avg_ttft_ms"),
        ttft_p99_ms=number(data, where, "streaming_metrics.ttft_percentiles.p99"),
        tpot_ms=number(data, where, "streaming_metrics.avg_tpot_ms"),
        tpot_p99_ms=number(data, where, "streaming_metrics.tpot_percentiles.p99"),
        first_token_at_client=False,
        model=text(data, "engine.model"),
        gpu=text(data, "machine.name"),
        gpu_count=whole(data, where, "world_info.world_size") or tensor * stages,
        tensor_parallel=tensor,
        pipeline_parallel=stages,
        weight_precision=_told(data, "engine.quantization"),
        dtype=precision_named(text(data, "engine.dtype")),
        kv_precision=_told(data, "engine.kv_cache_dtype") or precision_named(text(data, "engine.dtype")),
        engine="trtllm",
        engine_version=text(data, "engine.version"),
    )


def _check_in_flight(data: Any, where: str) -> None:
    """UsageError where requests in flight are not rate × latency (Little 1961, Operations Research 9).

    All three are of the same requests inside the engine, with nothing of HTTP in them, and agree but for latencies put
    together of means. A latency is that of first token and steps where they are told, else the one told whole.
    """
    name = "request_info.avg_num_concurrent_requests"
    told, tpot_ms = number(data, where, name), number(data, where, "streaming_metrics.avg_tpot_ms")
    ttft_ms = number(data, where, "streaming_metrics.avg_ttft_ms")
    latency_ms = number(data, where, "performance.avg_request_latency_ms")
    if ttft_ms is not None and tpot_ms is not None:
        latency_ms = ttft_ms + (needed(data, where, "request_info.avg_output_length") - 1.0) * tpot_ms
    if told is None or not latency_ms:
        return
    found = needed(data, where, "performance.request_throughput_req_s") * latency_ms / 1e3
    if not IN_FLIGHT_SHARE <= found / told <= 1.0 / IN_FLIGHT_SHARE:
        right = f"contradicts rate × latency, which are {found:,.4g} requests in flight: are they of the same run?"
        raise bad_value(where, name, told, right)


def _told(data: Any, path: str) -> str:
    """The precision that stands at the path, or the word itself where it is none known here; "" for no quantisation."""
    word = text(data, path)
    bare = word.lower().removeprefix("quantalgo.")
    return "" if bare in _NOT_QUANTISED else precision_named(word) or word
