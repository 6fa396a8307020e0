"""Rows and figures that would mislead a judgement of the model, each with the reason why it is left out."""

from __future__ import annotations

import re
from collections.abc import Callable

from optimiser.accuracy.names import engine_of
from optimiser.accuracy.sources import GAP_ANALYSIS, INFERENCEX, MLPERF
from optimiser.accuracy.table import Measurement

NO_RUN = "TTFT alone: how many requests the run had, a burst among them, is not in the row"
HELD_BACK = "TTFT alone: the engine was set to hold prompts back (batch_wait)"

_EXPERT_SPLIT = re.compile(r"moe_tp=(\d+).*?moe_ep=(\d+)")


def _llama_4(row: Measurement) -> bool:
    return "llama-4" in row.model.lower()


def _outlier(row: Measurement) -> bool:
    named = row.model.lower().startswith("gpt-j") and row.gpu.upper() == "L40S"
    return named and (row.isl, row.osl) == (2048, 128)


def _other_load(row: Measurement) -> bool:
    named = row.model.lower().endswith("3.1-8b") and row.gpu.upper() == "H200"
    return named and GAP_ANALYSIS in row.source and engine_of(row.engine) == "vllm"


def _counted_twice(row: Measurement) -> bool:
    """Experts sliced and spread at once: 8 GPUs with moe_tp = moe_ep = 8 stand there as 64, and tp = 2 with
    dep2 as 4, beside rows of the true number with the same latencies to the last digit.
    """
    split = _EXPERT_SPLIT.search(row.notes or "") if INFERENCEX in row.source else None
    if split is None:
        return False
    return min(int(split[1]), int(split[2])) > 1 or (row.attn != "tp" and (row.tp or 1) > 1)


def _mlperf(row: Measurement, *words: str) -> bool:
    said = f"{row.model} {row.notes}".lower().replace("llama2", "llama-2")
    return row.source.startswith(MLPERF) and any(word in said for word in words)


def _starting_weights(row: Measurement) -> bool:
    """MLPerf 4.1 names the weights a run starts from. Llama 2 70B "in fp16" reaches 94 % of fp8's tokens/s on the same
    8 MI300X, and 67 % of the 16-bit peak of 4 L40S, which 16-bit weights leave room for small batches alone.
    """
    return _mlperf(row, "llama-2-70b") and row.precision_weights == "fp16"


# The reference harness drives vLLM 0.5.2 from Python: offline, without any limit, 8 L40S make 948 tokens/s by it and
# 3,718 by NVIDIA's code, 4 H100 1,577 and 10,133.
_TRAPS: dict[str, Callable[[Measurement], bool]] = {
    "AMBIGUOUS: the same set-up differs by over 1.25 ×": lambda row: "AMBIGUOUS" in (row.notes or ""),
    "NON-STANDARD: the model is pruned or sparse": lambda row: "NON-STANDARD" in (row.notes or ""),
    "Llama 4: chunked attention is not modelled": _llama_4,
    "GPT-J on L40S, 2048/128: an outlier of its table": _outlier,
    "Llama 3.1 8B on H200, vLLM, gap analysis: load not as stated": _other_load,
    "MLPerf Mixtral: three data sets in one run": lambda row: _mlperf(row, "mixtral"),
    "MLPerf GPT-J: beam search, four beams a request": lambda row: _mlperf(row, "gpt-j"),
    "MLPerf by its reference harness": lambda row: _mlperf(row, "reference-cpu"),
    "MLPerf, Llama 2 70B in fp16: as fast as fp8 on the same GPUs": _starting_weights,
    "MLPerf at another power limit (MaxQ, CTS)": lambda row: _mlperf(row, "maxq", "-cts"),
    "InferenceX: GPUs are counted twice": _counted_twice,
}


def trap_of(row: Measurement) -> str | None:
    """Why the row is left out, None where it may be judged."""
    return next((reason for reason, caught in _TRAPS.items() if caught(row)), None)


def first_token_trap_of(row: Measurement) -> str | None:
    """Why the row's TTFT is left out, None where it may be judged. A closed loop begins with all its requests at once:
    its mean TTFT depends on how many more there are.
    """
    if _prompts_held_back(row):
        return HELD_BACK
    return NO_RUN if GAP_ANALYSIS in row.source else None


def _prompts_held_back(row: Measurement) -> bool:
    """InferenceX starts TensorRT-LLM for Llama 70B at 1024/1024 on fewer than 8 GPUs with
    batch_wait_timeout_iters (its benchmarks/70b_*_trt_*.sh), so that prompts wait for each other.
    """
    named = row.model.lower().endswith("70b") and engine_of(row.engine) == "trtllm"
    return named and INFERENCEX in row.source and (row.isl, row.osl) == (1024, 1024) and row.gpu_count < 8
