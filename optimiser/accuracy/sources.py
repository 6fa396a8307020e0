"""What the sources of a table leave unsaid: request lengths, KV precision, length of a run."""

from __future__ import annotations

import re

from optimiser.accuracy.names import ONLY_PRECISION, engine_of
from optimiser.accuracy.table import Measurement
from optimiser.performance.parameters import KV_PRECISIONS, WEIGHT_PRECISIONS
from optimiser.performance.precision import Served, served_on
from optimiser.performance.specs import GpuSpec, ModelSpec

TENSORRT_DOCS, INFERENCEX, GAP_ANALYSIS, MLPERF = "TensorRT-LLM docs", "InferenceX", "gap analysis", "MLPerf"
# InferenceX draws lengths evenly from 0.8 to 1 × the nominal one (--random-range-ratio 0.8 in its scripts).
INFERENCEX_LENGTH = 0.9
# Its runs have ten requests for each in flight, and begin with as many at once as stay in flight (--num-prompts
# $((CONC * 10)) --max-concurrency $CONC --request-rate inf).
INFERENCEX_WAVES = 10.0
# Mean tokens in and out of an MLPerf request, whose logs lack the former: Open-Orca for Llama 2 (294 agrees with
# the published results, 155 would put them 23 % off), CNN/DailyMail for Llama 3.1 8B, of which nothing says the mean:
# an instruction of 20 tokens and a whole article, and the validation split's 57,732,412 bytes in 13,368 rows, less 420
# for highlights and id, come to 840 to 910 at 4.4 to 4.8 characters a token.
MLPERF_TOKENS = {"llama-2-70b": (294.0, 293.0), "llama-3.1-8b": (870.0, 128.0)}
# MLPerf Inference rules: a run lasts 10 minutes or more.
MLPERF_RUN_S = 600.0
# Requests in a TensorRT-LLM throughput run by (isl, osl): "Preparing a Dataset" in NVIDIA/TensorRT-LLM,
# docs/source/performance/perf-overview.md of 0.17 and 1.0, docs/source/developer-guide/perf-overview.md of 1.2.
DOCS_REQUESTS = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000,
    (1000, 2000): 1500, (1024, 1024): 3000, (1024, 8192): 1500, (1024, 32768): 1000, (2048, 128): 3000,
    (2048, 2048): 1500, (5000, 500): 1500, (8192, 1024): 1500, (20000, 2000): 1000, (32768, 1024): 1000,
}  # fmt: skip
# TensorRT-LLM ran compiled plans of a whole model, and NIM with it; from 0.19 on its tables are of its PyTorch back end
# ("Starting with v0.19, testing was performed using the PyTorch backend", perf-overview.md).
_FIRST_WITHOUT_PLANS = 19
_MINOR_RELEASE = re.compile(r"(?:tensorrt-llm )?v?0\.(\d+)", re.IGNORECASE)
_REQUESTS_IN_RUN = re.compile(r"\b(\d+) requests in the run\b")
_SHARED_PREFIX = re.compile(r"\bprefix (\d+) tokens shared\b")
_EQUAL_LENGTHS = "closed loop of equal lengths"


def tokens_of(row: Measurement, model: ModelSpec) -> tuple[float, float] | None:
    """Mean tokens in and out of a request, None where the row does not say."""
    known = MLPERF_TOKENS.get(model.name, (None, None)) if row.source.startswith(MLPERF) else (None, None)
    prompt, output = row.isl or known[0], row.osl or known[1]
    if prompt is None or output is None:
        return None
    drawn = INFERENCEX_LENGTH if INFERENCEX in row.source else 1.0
    return prompt * drawn, max(output * drawn, 1.0)


def run_length(row: Measurement) -> tuple[float | None, float | None]:
    """Requests in the run, else its seconds, where the source or the row's notes say ("500 requests in the run").

    Requests of equal lengths in a closed loop end together and the next begin together: each wave is a run.
    """
    if _EQUAL_LENGTHS in (row.notes or "") and row.concurrency is not None:
        return row.concurrency, None
    noted = _REQUESTS_IN_RUN.search(row.notes or "")
    if noted:
        return float(noted[1]), None
    if TENSORRT_DOCS in row.source and row.concurrency is None:
        return DOCS_REQUESTS.get((round(row.isl or 0), round(row.osl or 0))), None
    if INFERENCEX in row.source and row.concurrency is not None:
        return INFERENCEX_WAVES * row.concurrency, None
    return None, MLPERF_RUN_S if row.source.startswith(MLPERF) else None


def cached_tokens(row: Measurement) -> float:
    """Tokens of each prompt that the engine's prefix cache holds, where the notes say ("prefix 540 tokens shared")."""
    noted = _SHARED_PREFIX.search(row.notes or "")
    return float(noted[1]) if noted else 0.0


def runs_a_plan(row: Measurement) -> bool:
    """Whether the engine ran a compiled plan, in which the host launches no kernels of a prompt one by one."""
    if engine_of(row.engine) != "trtllm":
        return False
    if (row.engine or "").lower().startswith("nim"):
        return True
    release = row.source_version if TENSORRT_DOCS in row.source else row.engine
    minor = _MINOR_RELEASE.match(release or "")
    return minor is not None and int(minor[1]) < _FIRST_WITHOUT_PLANS


def served_as(row: Measurement, model: ModelSpec, gpu: GpuSpec) -> Served | str:
    """The row's precisions on its GPU, or in plain words why the model has none for it.

    Where a KV precision is not stated it is taken as fp8 for weights that are computed in 8 bit or less, as
    launch scripts and NVIDIA's checkpoints of InferenceX and MLPerf have it, else as 16 bit.
    """
    weights = ONLY_PRECISION.get(model.name, row.precision_weights)
    if weights is None:
        return "weight precision is not in the row"
    if weights not in WEIGHT_PRECISIONS or row.precision_kv not in (None, *KV_PRECISIONS):
        return "precision is not one that estimates know"
    served = served_on(gpu, model, weights, row.precision_kv)
    narrow = isinstance(served, Served) and served.weight_tflops > served.half_tflops
    if narrow and row.precision_kv is None and "fp8" in gpu.dense_tflops:
        eight_bit = served_on(gpu, model, weights, "fp8")
        return eight_bit if isinstance(eight_bit, Served) else served
    return served


def source_of(row: Measurement) -> str:
    """A short name of the source, with the version of what it measured where one source has several."""
    version = f" {row.source_version}" if row.source_version else ""
    if row.source.startswith(MLPERF):
        return MLPERF + version
    if TENSORRT_DOCS in row.source:
        return TENSORRT_DOCS + version
    return next((name for name in (INFERENCEX, GAP_ANALYSIS) if name in row.source), row.source)
