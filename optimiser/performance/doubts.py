"""How far an estimate may be off: its median error, and what makes it less sure than others of its kind."""

from __future__ import annotations

from optimiser.performance.physics import Kernel
from optimiser.performance.setups import Candidate
from optimiser.performance.trial import Question

# Fewer requests than this in the KV cache: the batch is so small that whole requests decide the rate.
FEW_REQUESTS = 8.0
# The relative error of estimates in doubt, times this.
LOW_CONFIDENCE_FACTOR = 1.5
# Mixtures of experts on models left out of the fit: a median error of 10 to 12 % where dense models have 7 %.
MOE_ERROR_FACTOR = 1.4
# Highest rate under p99 TTFT and TPOT limits against MLPerf Inference server results of a model left out of the
# fit: mostly too high, in three of four by at most this, where other models were measured on the GPU generation.
SERVER_ERROR = 0.21
# Limits under which rates were measured that no fit has seen: MLPerf Inference 5.0 and 5.1, interactive, 450 or 500 ms
# and 40 or 30 ms at p99. Estimates of those 19 results are 17 % too high at the median, one in ten over 38 %;
# SERVER_ERROR in doubt is 31.5.
TIGHT_TTFT_MS, TIGHT_TPOT_MS = 500.0, 40.0
# Nothing says that the doubt ends at a limit: it fades on the way to this many times it, so that no plan jumps there.
NEAR_TIGHT = 1.25
# Models split over GPUs joined by PCIe alone, outside the generations where that was measured: three MLPerf
# systems with 4 and 8 L40S served between 1/1.3 and 1/4 of the estimate.
SPLIT_OVER_PCIE_ERROR = 0.40
# Attention data-parallel over the GPUs: of 73 figures of DeepSeek, gpt-oss and Qwen3 on H100 to GB200 one in four is
# more than this above what was measured, none as far below.
DATA_PARALLEL_ERROR = 0.25
# A KV cache in fp8 that is converted to 16 bit, by two published pairs of runs on A100: with it Llama 2 13B on SGLang
# (pull request 1204) gained 1.18 × where estimates have 1.31 to 1.34, a 7B model on vLLM (2279) 1.49 × for 1.90.
CONVERTED_CACHE_ERROR = 0.20
# Tokens of the shortest requests that were measured under load: prompts and answers of 128. The doubt of shorter ones
# grows to this share of that.
LEAST_MEASURED_TOKENS, FEW_OF_THEM = 256.0, 0.5
# Beyond this an error says no more than that the rate is not known.
LARGEST_ERROR = 0.6
# Steps of measured operators, which nothing was fitted to: against the published figures they cover, dense models were
# off by 7 % at the median (470 offline rates, 626 times per token), mixtures of experts by 12 (288 and 652).
# With MOE_ERROR_FACTOR 8.6 % would do for both: rounded up.
OPERATORS_ERROR = 0.10


def model_error(question: Question, candidate: Candidate, places: float) -> float:
    """The median error of the model's own estimate of a set-up with room for so many requests a replica."""
    return relative_error_of(question, candidate, bool(doubts_of(question, candidate, places)))


def relative_error_of(
    question: Question, candidate: Candidate, low_confidence: bool, basic: float | None = None
) -> float:
    """Median error of such estimates: `basic` (the generation's), wider where less is known, at most LARGEST_ERROR."""
    error = candidate.hardware.efficiency.relative_error if basic is None else basic
    if question.target is not None:
        error = max(error, SERVER_ERROR)
    if question.work.experts:
        error *= MOE_ERROR_FACTOR
    doubt = 1.0 if low_confidence else max(tightness(question), shortness(question))
    error *= 1.0 + (LOW_CONFIDENCE_FACTOR - 1.0) * doubt
    if candidate.ranks > 1:
        error = max(error, DATA_PARALLEL_ERROR)
    if candidate.hardware.served.converted_cache:
        error = max(error, CONVERTED_CACHE_ERROR)
    if _split_unmeasured(candidate):
        error = max(error, SPLIT_OVER_PCIE_ERROR)
    return round(min(error, LARGEST_ERROR), 4)


def _split_unmeasured(candidate: Candidate) -> bool:
    hardware = candidate.hardware
    split = candidate.shards * candidate.ranks * candidate.stages > 1
    return split and hardware.gpu_link == "pcie" and not hardware.efficiency.split_over_pcie_measured


def doubts_of(question: Question, candidate: Candidate, places: float) -> list[str]:
    """Why an estimate is less sure than its generation's error says; empty where it is not."""
    return (
        unmeasured(candidate, places)
        + _slow_experts(question, candidate)
        + beside_plain_serving(question)
        + _tight(question)
        + _short(question)
        + _pipelined(question, candidate)
    )


def _slow_experts(question: Question, candidate: Candidate) -> list[str]:
    efficiency = candidate.hardware.efficiency
    if not question.work.experts or efficiency.moe_step_factor == 1.0:
        return []
    return [
        f"mixtures of experts on {efficiency.generation}: steps taken {efficiency.moe_step_factor:g} × as long as the "
        "model has them, as published results are; none was fitted"
    ]


def tightness(question: Question) -> float:
    """How much of the doubt of tight limits a target's are in, 0 to 1: all of it at limits no fit has seen.

    It falls linearly to none at NEAR_TIGHT times the limit; the tighter of the two limits counts.
    """
    target = question.target
    if target is None:
        return 0.0
    tightest = min(target.ttft_ms / TIGHT_TTFT_MS, target.tpot_ms / TIGHT_TPOT_MS)
    return min(max((NEAR_TIGHT - tightest) / (NEAR_TIGHT - 1.0), 0.0), 1.0)


def _tight(question: Question) -> list[str]:
    target = question.target
    if target is None or tightness(question) < 1.0:
        return []
    return [
        f"limits of {target.ttft_ms:g} ms and {target.tpot_ms:g} ms are tighter than those fitted to: of MLPerf's "
        "interactive results estimates are 17 % too high at the median"
    ]


def shortness(question: Question) -> float:
    """How much of the doubt of requests shorter than any measured an estimate is in, 0 to 1."""
    share = question.mean_tokens / LEAST_MEASURED_TOKENS
    return min(max((1.0 - share) / (1.0 - FEW_OF_THEM), 0.0), 1.0)


def _short(question: Question) -> list[str]:
    if shortness(question) < 1.0:
        return []
    least = f"{LEAST_MEASURED_TOKENS:g}"
    return [
        f"requests of {question.mean_tokens:.3g} tokens on average: none under {least} were measured under load"
    ]


def _pipelined(question: Question, candidate: Candidate) -> list[str]:
    """Passes cannot overtake each other, and how long they wait was judged by simulated pipelines alone."""
    if candidate.stages == 1 or question.target is None:
        return []
    return [
        f"a pipeline of {candidate.stages} stages, none of which was measured under a latency target: simulated ones "
        "have 0.5 to 1.2 × the p95 time per token, and first tokens of prompts over many steps up to 3 × as late"
    ]


def fading(question: Question) -> list[str]:
    """What to say of limits and sizes so near those of _tight and _short that the error is wider, though not all of the
    doubt holds.
    """
    notes, target = [], question.target
    share = tightness(question)
    if target is not None and 0.0 < share < 1.0:
        notes.append(
            f"limits of {target.ttft_ms:g} ms and {target.tpot_ms:g} ms are near {TIGHT_TTFT_MS:g} ms or "
            f"{TIGHT_TPOT_MS:g} ms, under which estimates are in doubt: the model's error has {share:.0%} of that "
            "doubt in it"
        )
    share = shortness(question)
    if 0.0 < share < 1.0:
        notes.append(
            f"requests of {question.mean_tokens:.3g} tokens on average, where none under {LEAST_MEASURED_TOKENS:g} "
            f"were measured under load: the model's error has {share:.0%} of that doubt in it"
        )
    return notes


def unmeasured(candidate: Candidate, places: float) -> list[str]:
    """Why a set-up is less sure than others of its generation."""
    hardware = candidate.hardware
    doubts = []
    if places < FEW_REQUESTS:
        doubts.append(f"KV cache for {places:.0f} requests per replica: too few for a firm estimate")
    if not hardware.efficiency.fitted:
        doubts.append(f"no public measurement of {hardware.efficiency.generation}: error assumed")
    elif not hardware.gpu.measured:
        doubts.append(f"no public measurement of {hardware.gpu.name}, only of its generation")
    if not hardware.engine.versions:
        doubts.append(f"no public measurement of {hardware.engine.name}: its figures are assumed")
    if hardware.served.kernel is Kernel.UNPACKED:
        doubts.append(
            f"no public measurement of dense models in {hardware.served.weight_precision} computed in 16 bit"
        )
    if not hardware.served.cache_measured:
        cache = hardware.served.kv_precision
        doubts.append(f"no public measurement of a KV cache in {cache} on {hardware.efficiency.generation}")
    if _split_unmeasured(candidate):
        doubts.append(
            f"one replica split over {hardware.gpu.name} joined by PCIe alone: measured far below estimate"
        )
    if candidate.instances > 1:
        doubts.append("no public measurement of a replica over several instances on this network")
    return doubts


def beside_plain_serving(question: Question) -> list[str]:
    """What a workload asks of an engine that nothing was fitted to."""
    doubts = []
    if question.work.drafts:
        doubts.append(
            f"{question.mix.tokens_per_step:g} tokens per step of speculative decoding are taken as given, at "
            "every load: no measurement with drafts was fitted"
        )
    if question.work.adapters:
        doubts.append(
            "no measurement with LoRA adapters was fitted: what their kernels waste is not in the rate"
        )
    return doubts
