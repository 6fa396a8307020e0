"""What a replica does at a load: its steps, its waits and its latencies, and whether they are within a target.

Arrays are (set-ups, points): one point for a whole mix, one per bucket for buckets alone, or several loads.
A third axis, where there is one, is the sizes of a mix: its prompts or its buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, SteadyState, rate_of, steady_state
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.prompt_passes import measured_first_tokens, own_prefill, pass_seconds
from optimiser.performance.queueing import (
    Flags,
    Wait,
    each_meets_ttft,
    meets_ttft,
    mix_quantile,
    scaled,
    wait_quantile,
)
from optimiser.performance.steps import Line, Steps, nearby_batches, times_of
from optimiser.performance.token_times import TokenTimes, meets_tpot, tpot_quantile_s
from optimiser.performance.waits import Prompts, wait_of
from optimiser.workload import Target

# No bucket's own TTFT percentile may be worse than this many times the target for the mix.
BUCKET_TTFT_FACTOR = 3.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """Replicas under a load: rate in requests/s per replica, full the steady state of the fullest batch, own_s what
    the TTFT of each of the mix's prompts is without any wait, tokens the time per step of each of its buckets.
    """

    batch: Array
    rate: Array
    steady: SteadyState
    full: SteadyState
    wait: Wait
    own_s: Array
    tokens: TokenTimes


def request_rate(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> tuple[Array, SteadyState]:
    """Requests/s of one replica with `batch` sequences decoding, and its steps."""
    steady = steady_state(work, at.columns(1), batch, mix.traffic)
    return rate_of(batch, steady, mix.traffic), steady


def evaluate(
    work: ModelWork, at: Layouts, batch: Array, places: Array, mix: Mix, full: SteadyState | None = None
) -> Point:
    """Rate, step times and waits with `batch` sequences decoding; batch and places are (set-ups, points).

    As a load on the prefill queue a prompt counts with its share of full chunks, since prompts that wait are taken
    together. full is the fullest steady state of a point with fewer sequences, where there is one already.
    """
    here, per_prompt = at.columns(1), at.columns(2)
    line = Line.of(batch, here.stages, mix)
    # No more requests decode than prompts go into as many steps as an answer takes, both as they come on average.
    most = mix.traffic.output * (CHUNK_TOKENS * here.ranks) / mix.traffic.prompt
    fullest = np.maximum(batch, np.minimum(places, most))
    batches = [*nearby_batches(batch, line, mix), *([] if full else [fullest])]
    nearby = steady_state(work, here, np.stack(batches), mix.traffic)
    whole, own = own_prefill(work, at, batch, mix)
    filled, chunk = pass_seconds(work, per_prompt, batch, CHUNK_TOKENS * per_prompt.ranks, mix)
    steps = Steps.of(at, batch, line, nearby, whole, filled, mix)
    full = full.where(fullest > batch, steps.steady) if full else nearby.at(-1)
    # While prompts queue as many decode as at any other time: rate × time (Little), whatever there is room for.
    prompts = Prompts(
        chunk_s=chunk,
        service_s=chunk * (mix.prompts / CHUNK_TOKENS) / (per_prompt.ranks * per_prompt.stages),
        interruption_s=steps.interruption_s,
        until_through_s=own - at.physics.first_token_overhead_ms * 1e-3,
    )
    wait = wait_of(batch, places, most, steps.steady, full, prompts, mix)
    if at.anchors:
        measured = measured_first_tokens(here, batch, mix)
        wait, own = scaled(wait, measured), own * measured[..., None]
    return Point(
        batch=batch,
        rate=rate_of(batch, steps.steady, mix.traffic),
        steady=steps.steady,
        full=full,
        wait=wait,
        own_s=own,
        tokens=times_of(steps, mix),
    )


def token_times(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> TokenTimes:
    """The time per step and its spread with `batch` sequences decoding, (..., set-ups, points): a Point's without its
    waits.
    """
    here, per_prompt = at.columns(1), at.columns(2)
    line = Line.of(batch, here.stages, mix)
    nearby = steady_state(work, here, np.stack(nearby_batches(batch, line, mix)), mix.traffic)
    whole, _ = own_prefill(work, at, batch, mix)
    filled, _ = pass_seconds(work, per_prompt, batch, CHUNK_TOKENS * per_prompt.ranks, mix)
    return times_of(Steps.of(at, batch, line, nearby, whole, filled, mix), mix)


def meets_first_token(point: Point, mix: Mix, target: Target) -> Flags:
    """Whether the mix's TTFT and every prompt's threefold TTFT hold at the target's percentile."""
    quantile, limit = target.percentile / 100.0, target.ttft_ms / 1e3
    whole = meets_ttft(point.wait, point.own_s, mix.prompt_shares, limit, quantile)
    if point.own_s.shape[-1] == 1:
        return whole
    every = each_meets_ttft(point.wait, point.own_s, BUCKET_TTFT_FACTOR * limit, quantile)
    return np.asarray(whole & every)


def meets_tokens(point: Point, mix: Mix, target: Target) -> Flags:
    """Whether the mix's TPOT holds at the target's percentile; an answer of one token has none."""
    return tokens_within(point.tokens, mix, target)


def tokens_within(times: TokenTimes, mix: Mix, target: Target) -> Flags:
    limit, quantile = target.tpot_ms / 1e3 * mix.tokens_per_step, target.percentile / 100.0
    within = meets_tpot(times, _lasting(mix), limit, quantile)
    return np.asarray(within | ~_decodes(mix).any(axis=-1))


def _decodes(mix: Mix) -> Flags:
    return np.asarray(mix.outputs * mix.tokens_per_step > 1.0)


def _lasting(mix: Mix) -> Array:
    """The buckets' shares of the requests that have a time per output token; all of them where none has."""
    longer = _decodes(mix)
    kept = mix.shares * np.where(longer.any(axis=-1, keepdims=True), longer, True)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


def meets(point: Point, mix: Mix, target: Target) -> Flags:
    """Whether TPOT and TTFT hold at the target's percentile."""
    return np.asarray(meets_tokens(point, mix, target) & meets_first_token(point, mix, target))


def first_token_s(point: Point, mix: Mix, quantile: float) -> Array:
    """TTFT in seconds at `quantile` over the mix, (set-ups, points)."""
    return mix_quantile(point.wait, point.own_s, mix.prompt_shares, quantile)


def prompt_first_token_s(point: Point, quantile: float) -> Array:
    """TTFT in seconds at `quantile` of the requests with each of the mix's prompts, (set-ups, points, prompts)."""
    return wait_quantile(point.wait, quantile)[..., None] + point.own_s


def per_token_s(point: Point, mix: Mix, quantile: float | None) -> Array:
    """TPOT in seconds at `quantile` over the mix, (set-ups, points); 0 where no answer is longer than a token.

    None: of a batch that is kept as it is, a request coming for each that ends. Its steps hardly differ (in a simulated
    engine with 100 places the median is within 0.1 % of the mean), and whoever comes sees them as they are.
    """
    step_s = (
        point.steady.step_s if quantile is None else tpot_quantile_s(point.tokens, _lasting(mix), quantile)
    )
    return np.where(_decodes(mix).any(axis=-1), step_s / mix.tokens_per_step, 0.0)
