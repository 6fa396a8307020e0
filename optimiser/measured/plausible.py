"""What no run can have measured: figures that contradict each other, or beat the data sheet of their GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt

from optimiser.errors import UsageError, bad_value
from optimiser.measured.reading import Reading
from optimiser.measured.steps import MOST_OF_BANDWIDTH, decoding, kv_cache_s, step_time, weights_s
from optimiser.performance.memory import MIB
from optimiser.performance.model_work import ModelWork, model_work
from optimiser.performance.parameters import weight_bytes
from optimiser.performance.precision import served_on
from optimiser.performance.specs import GpuSpec, ModelSpec

# Of requests that failed: above this share, what was completed is no measure of what the load asked for.
LARGEST_FAILED_SHARE = 0.05
# An open loop that finished this much less than was offered has a queue that grows: its rate is the highest there is,
# and its TTFT the run's length.
KEPT_UP = 0.97
# Requests in flight by Little's law may exceed those allowed by so much, for means over requests of unequal length.
IN_FLIGHT_TOLERANCE = 1.25
# A closed loop keeps its requests in flight: by Little's law there are at least this share of them, first tokens
# counted in, and no more than its inverse. Runs of few rounds are left out below: with answers of exponential length,
# 4 rounds of 64 requests hold 52 % of them in flight on average, since the last ones drain alone.
IN_FLIGHT_SHARE = 0.5
FEWEST_ROUNDS = 4
# Where all requests are there at once, rate × latency is the mean time to complete over the run's length, times all of
# them: half where they complete evenly, little where one long answer outlasts all others (mean answers of 1,000 tokens
# and one of 32,000: 3 %). Clients that hold requests back (GuideLLM 512) have no more than that in flight.
AT_ONCE_SHARE, AT_ONCE_CLIENT = 0.02, 512
# A mean lies within the run; the margin is for tools that leave the requests of its first and last seconds out.
TTFT_OF_RUN = 1.25
# Where 99 % of requests took under half the mean, over half of it is of the other 1 % (a cold start, another run's
# figure): it is no measure of what requests take.
P99_OF_MEAN = 0.5
# Arrivals of a Poisson process run ahead of their rate by 3 / √requests in one run of 700; so many requests where the
# file does not say.
AHEAD, USUAL_REQUESTS = 3.0, 1000
# The data sheet's time for a token is its weights read once. Steps full of prompts on many GPUs have taken about 100
# times that, a replica that is never idle and has one request at a time (eager mode, slow hosts) about 30 times.
SLOWEST_TOKEN, SLOWEST_ALONE = 1000.0, 50.0


def check_figures(reading: Reading, where: str) -> None:
    """UsageError where too many requests failed, or rates, latencies and load contradict each other."""
    asked = (reading.requests or 0) + reading.failed
    if reading.failed > LARGEST_FAILED_SHARE * asked:
        right = f"at most {LARGEST_FAILED_SHARE:.0%} may fail: the others are no measure of the load"
        raise bad_value(where, "failed requests", f"{reading.failed:,} of {asked:,}", right)
    if reading.output_tokens < 1.0:
        raise bad_value(where, "output tokens", reading.output_tokens, "must be 1 or more a request")
    _check_times(reading, where)
    if reading.request_rate is not None:
        _check_offered(reading, reading.request_rate, where)
    if reading.tpot_ms and reading.concurrency:
        _check_in_flight(reading, reading.concurrency, reading.tpot_ms, where)
    if reading.request_rate is None and reading.concurrency is None:
        _check_at_once(reading, where)


def _check_times(reading: Reading, where: str) -> None:
    """Percentiles beside their means, and first tokens beside the run's length (requests ÷ rate)."""
    percentiles = (
        ("TTFT", reading.ttft_ms, reading.ttft_p99_ms),
        ("time per token", reading.tpot_ms, reading.tpot_p99_ms),
    )
    for name, mean, highest in percentiles:
        if mean and highest and highest < P99_OF_MEAN * mean:
            right = (
                f"under {P99_OF_MEAN:g} × its mean of {mean:,.6g} ms, which under 1 % of the requests then make; "
                "is it of the same run, and was the engine warm?"
            )
            raise bad_value(where, f"{name} at the 99th percentile (ms)", highest, right)
    if not reading.ttft_ms or not reading.requests:
        return
    length_s = reading.requests / reading.requests_per_second
    if reading.ttft_ms / 1e3 > TTFT_OF_RUN * length_s:
        right = f"longer than the run: {reading.requests:,} requests at their rate are {length_s:,.4g} s; is it in ms?"
        raise bad_value(where, "TTFT (ms)", reading.ttft_ms, right)


def _check_at_once(reading: Reading, where: str) -> None:
    """Little's law (Little 1961, Operations Research 9) for a run whose requests were all there from the start."""
    if reading.ttft_ms is None or reading.tpot_ms is None or reading.requests is None:
        return
    if not reading.first_token_at_client:
        return
    done = reading.requests_per_second
    in_flight = done * (reading.ttft_ms + (reading.output_tokens - 1.0) * reading.tpot_ms) / 1e3
    fewest = AT_ONCE_SHARE * min(reading.requests, AT_ONCE_CLIENT)
    if in_flight < fewest:
        right = (
            f"contradicts the latencies: × (TTFT + output tokens × time per token) it is {in_flight:,.4g} requests in "
            f"flight, where {reading.requests:,} that are there at once are {fewest:,.4g} at least"
        )
        raise bad_value(where, "requests per second", done, right)


def _check_offered(reading: Reading, offered: float, where: str) -> None:
    done = reading.requests_per_second
    if done >= KEPT_UP * offered and reading.tpot_ms is None:
        told = "is the one offered, and no time per token was measured (streaming off?): nothing to anchor on"
        raise bad_value(where, "requests per second", done, told)
    if done > offered * (1.0 + AHEAD / sqrt(reading.requests or USUAL_REQUESTS)):
        raise bad_value(where, "requests per second", done, f"more than the {offered:g} that were offered")


def _check_in_flight(reading: Reading, allowed: float, tpot_ms: float, where: str) -> None:
    decoding = reading.requests_per_second * (reading.output_tokens - 1.0) * tpot_ms / 1e3
    if decoding > allowed * IN_FLIGHT_TOLERANCE:
        right = (
            f"contradicts the other figures: with requests per second × output tokens × time per token, "
            f"{decoding:,.1f} requests decode at once; is it that of all replicas?"
        )
        raise bad_value(where, "concurrency", allowed, right)
    if reading.request_rate is not None or reading.ttft_ms is None or not reading.first_token_at_client:
        return
    in_flight = decoding + reading.requests_per_second * reading.ttft_ms / 1e3
    short = reading.requests is not None and reading.requests < FEWEST_ROUNDS * allowed
    too_few = in_flight < allowed * IN_FLIGHT_SHARE and not short
    if too_few or in_flight > allowed / IN_FLIGHT_SHARE:
        right = (
            f"contradicts the other figures: requests per second × (TTFT + output tokens × time per token) are "
            f"{in_flight:,.1f} requests in flight, "
            f"{f'under {IN_FLIGHT_SHARE:g}' if too_few else f'over {1 / IN_FLIGHT_SHARE:g}'} × those kept there; "
            "are rate and load those of the same replicas?"
        )
        raise bad_value(where, "concurrency", allowed, right)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as it is to be kept: the figures of one replica, and what that replica ran on.

    split is how many GPUs a layer is split over, gpu_count all of the replica's; routing_spread is physics.Physics's.
    """

    reading: Reading
    gpu: GpuSpec
    gpu_count: int
    split: int
    model: ModelSpec
    weight_precision: str
    kv_precision: str
    measured_on: date | None
    imported_on: date
    routing_spread: float


def check_possible(run: Run, where: str) -> None:
    """UsageError for a run that its model, its GPUs' data sheet or the calendar rules out."""
    tokens, longest = run.reading.prompt_tokens + run.reading.output_tokens, run.model.max_context
    if tokens > longest:
        right = f"{run.model.name} takes at most {longest:,}; are they those of one request?"
        raise bad_value(where, "tokens of a request", round(tokens), right)
    # A file's day may be of a zone where it is tomorrow already.
    if run.measured_on and run.measured_on > run.imported_on + timedelta(days=1):
        raise bad_value(where, "measured on", run.measured_on.isoformat(), "is in the future")
    _check_weights(run, where)
    for message in _beyond_data_sheet(run):
        raise UsageError(f"{where}: {message}")


def _check_weights(run: Run, where: str) -> None:
    """UsageError for weights that the GPU has no way to serve, or that all GPUs of the replica cannot hold.

    Memory is what the driver reports, with nothing set aside for the engine or for KV cache: the bound is a loose one.
    """
    served = served_on(run.gpu, run.model, run.weight_precision, None)
    if isinstance(served, str):
        raise bad_value(where, "--weight-precision", run.weight_precision, served)
    weights, room = weight_bytes(run.model, run.weight_precision), run.gpu_count * run.gpu.usable_mib * MIB
    if weights > room:
        right = (
            f"the weights of {run.model.name} are {weights / 1e9:,.4g} GB then, more than the {room / 1e9:,.4g} GB of "
            f"{run.gpu_count} × {run.gpu.name}: was it quantised, or on more GPUs (--gpu-count)? With weights in "
            "host memory a run is none to anchor on"
        )
        raise bad_value(where, "--weight-precision", run.weight_precision, right)


def _beyond_data_sheet(run: Run) -> Iterator[str]:
    """What the data sheet rules out, in words.

    A token takes 2 operations per active weight (Kaplan et al. 2020, arXiv 2001.08361, section 2.1, without attention
    to the context and the output head). A step reads the weights that its sequences touch once, and their KV cache;
    that its operations fit in it, prompts' included, is what the rate is held against.
    """
    one, on = run.reading, f"{run.gpu_count} × {run.gpu.name}"
    work = model_work(run.model, [(run.weight_precision, run.kv_precision)])
    touched = work.active_experts / work.experts if work.experts else 0.0
    active = work.attention.parameters + work.dense.parameters + touched * work.routed.parameters
    rates = run.gpu.dense_tflops
    peak = rates.get(run.weight_precision, max(rates.values())) * 1e12
    token_s = weights_s(work, run.gpu, run.split, 1.0, run.routing_spread)
    prompt_s = 2.0 * active * one.prompt_tokens / (peak * run.split)
    done, asked = one.requests_per_second, 2.0 * active * (one.prompt_tokens + one.output_tokens)
    if done * asked > peak * run.gpu_count:
        most = peak * run.gpu_count / asked
        yield (
            f"requests per second = {done:,.6g}: beyond the data sheet of {on}, whose {run.weight_precision} peak is "
            f"{most:,.4g}; prompts found in a cache are no measure of those that are not"
        )
    yield from _beyond_bandwidth(run, work)
    if one.tpot_ms and one.tpot_ms / 1e3 > SLOWEST_TOKEN * token_s:
        yield (
            f"time per token = {one.tpot_ms:,.6g} ms: over {SLOWEST_TOKEN:,.0f} × what reading the weights takes "
            f"({token_s * 1e3:,.4g} ms); is it in ms?"
        )
    if one.ttft_ms and one.ttft_ms / 1e3 < prompt_s:
        yield (
            f"TTFT = {one.ttft_ms:,.4g} ms: {run.gpu.name} × {run.split} compute the prompt in no less than "
            f"{prompt_s * 1e3:,.4g} ms; prompts found in a cache are no measure of those that are not"
        )
    alone_s = prompt_s + one.output_tokens * token_s
    if one.request_rate is None and 1.0 / done > SLOWEST_ALONE * alone_s:
        yield (
            f"requests per second = {done:,.4g}: a replica that always has work takes {1 / done:,.4g} s for each, over "
            f"{SLOWEST_ALONE:g} × what the data sheet needs for one alone ({alone_s:,.3g} s)"
        )


def _beyond_bandwidth(run: Run, work: ModelWork) -> Iterator[str]:
    """Steps too short for the weights and the KV cache of the sequences that decode in them, in words."""
    one = run.reading
    step_s = step_time(one)
    if step_s is None:
        return
    sequences = decoding(one, step_s)
    weights = weights_s(work, run.gpu, run.split, sequences, run.routing_spread) / MOST_OF_BANDWIDTH
    cache = (
        kv_cache_s(run.model, run.kv_precision, run.gpu, run.gpu_count, one, sequences) / MOST_OF_BANDWIDTH
    )
    if step_s < weights:
        yield (
            f"time per token = {step_s * 1e3:,.4g} ms: {run.gpu.name} × {run.split} read the weights in no less than "
            f"{weights * 1e3:,.4g} ms ({MOST_OF_BANDWIDTH:.0%} of the data sheet's bandwidth); with speculative "
            "decoding a run is none to anchor on"
        )
    elif step_s < weights + cache:
        yield (
            f"time per token = {step_s * 1e3:,.4g} ms: requests per second × output tokens × time per token are "
            f"{sequences:,.4g} sequences that decode at once, and {run.gpu_count} × {run.gpu.name} read the weights "
            f"({weights * 1e3:,.4g} ms) and their {run.kv_precision} KV cache ({cache * 1e3:,.4g} ms) in no less than "
            f"{(weights + cache) * 1e3:,.4g} ms ({MOST_OF_BANDWIDTH:.0%} of the data sheet's bandwidth). Is "
            "--kv-precision right, and the rate that of one replica? Prefixes read once for all and speculative "
            "decoding look just so, and such a run is none to anchor on"
        )
