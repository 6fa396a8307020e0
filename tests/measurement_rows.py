"""Rows of a measurement table, written for the tests. Their figures are made up unless a test says otherwise."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from optimiser.accuracy.table import COLUMNS, Measurement

ELSEWHERE = "a benchmark of our own"
DOCS = "TensorRT-LLM docs perf-overview"
INFERENCEX = "silicon_sample.csv (InferenceX DB dump)"
GAP_ANALYSIS = "silicon_sample.csv (NVIDIA gap analysis)"
MLPERF = "MLPerf Inference closed"
LIMITS = "TTFT p99<=2000 ms, TPOT p99<=200 ms"

_OFFLINE: dict[str, Any] = {
    "source": ELSEWHERE,
    "source_version": "1",
    "model": "LLaMA-3.1-8B",
    "gpu": "H100",
    "gpu_count": 1,
    "tp": 1,
    "pp": 1,
    "attn": "tp",
    "precision_weights": "bf16",
    "precision_kv": "bf16",
    "precision_source": "stated",
    "engine": "TensorRT-LLM",
    "isl": 1000.0,
    "osl": 1000.0,
    "isl_source": "stated",
    "scenario": "offline",
    "throughput_tok_s_total_output": 10_000.0,
}


def offline(line: int = 2, **changes: Any) -> Measurement:
    """Llama 3.1 8B on one H100, every request at hand, with the changes."""
    return Measurement(**dict.fromkeys(COLUMNS) | _OFFLINE | {"line": line} | changes)


def at_concurrency(concurrency: float | None, line: int = 2, **changes: Any) -> Measurement:
    """The same with so many requests in flight: TPOT of 10 ms, mean TTFT of 100 ms."""
    latencies = {"tpot_ms": 10.0, "ttft_ms": 100.0, "latency_stat": "mean", "concurrency": concurrency}
    without = {"scenario": "latency", "throughput_tok_s_total_output": None}
    return offline(line, **without | latencies | changes)


def at_rate(request_rate: float, **changes: Any) -> Measurement:
    """The same with so many requests arriving a second."""
    return at_concurrency(None, scenario="server", request_rate=request_rate, **changes)


def under_limits(**changes: Any) -> Measurement:
    """Llama 2 70B on eight H100, laid out as it serves most under MLPerf's limits."""
    model = {
        "model": "LLaMA-2-70B",
        "gpu_count": 8,
        "tp": None,
        "precision_weights": "fp8",
        "precision_kv": None,
    }
    limits = {
        "scenario": "server",
        "constraint": LIMITS,
        "latency_stat": "p99",
        "ttft_ms": 500.0,
        "tpot_ms": 150.0,
    }
    lengths = {
        "source": MLPERF,
        "isl": None,
        "osl": 293.0,
        "notes": "server; closed/Maker/Node/llama2-70b-99.9",
    }
    return offline(**model | limits | lengths | changes)


def write_table(path: Path, rows: list[Measurement]) -> Path:
    """The rows as the CSV file that they would be read from."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
    return path
