"""What a replica does at a load: its steps, its waits and its latencies, and whether they are within a target.

Arrays are (set-ups, points): one point for a whole mix, one per bucket for buckets alone, or several loads.
A third axis, where there is one, is the sizes of a mix: of its prompts or of its outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, SteadyState, steady_state
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.prompt_passes import measured_first_tokens, own_prefill, pass_seconds
from optimiser.performance.queueing import (
    LARGEST_ELASTICITY,
    Flags,
    Wait,
    each_meets_ttft,
    meets_ttft,
    mix_quantile,
    scaled,
    wait_quantile,
)
from optimiser.performance.token_times import (
    TokenTimes,
    above_the_mean,
    batch_swing,
    burst_prompts_s,
    joined,
    meets_tpot,
    of_burst,
    shared_steps,
    token_spread_s,
    tpot_quantile_s,
)
from optimiser.performance.waits import Prompts, moments, wait_of
from optimiser.workload import Target

# No bucket's own TTFT percentile may be worse than this many times the target for the mix.
BUCKET_TTFT_FACTOR = 3.0
# Step of the batch over which the elasticity of the step time is taken.
MORE = 1.05


@dataclass(frozen=True, kw_only=True)
class Point:
    """Replicas under a load: rate in requests/s per replica, full the steady state of the fullest batch, own_s what
    the TTFT of each of the mix's prompts is without any wait, tokens the time per step of each of its outputs.
    """

    batch: Array
    rate: Array
    steady: SteadyState
    full: SteadyState
    wait: Wait
    own_s: Array
    tokens: TokenTimes


def request_rate(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> tuple[Array, SteadyState]:
    """Requests/s of one replica with `batch` sequences decoding, λ = B / (steps of a request · step)."""
    steady = steady_state(work, at.columns(1), batch, mix.traffic)
    return _rate_of(batch, steady, mix), steady


def _rate_of(batch: Array, steady: SteadyState, mix: Mix) -> Array:
    return np.asarray(batch / (mix.traffic.output * steady.step_s))


def evaluate(
    work: ModelWork, at: Layouts, batch: Array, places: Array, mix: Mix, full: SteadyState | None = None
) -> Point:
    """Rate, step times and waits with `batch` sequences decoding; batch and places are (set-ups, points).

    As a load on the prefill queue a prompt counts with its share of full chunks, since prompts that wait are taken
    together. full is the fullest steady state of a point with fewer sequences, where there is one already.
    """
    here, per_prompt = at.columns(1), at.columns(2)
    # No more requests decode than prompts go into as many steps as an answer takes, both as they come on average.
    most = mix.traffic.output * (CHUNK_TOKENS * here.ranks) / mix.traffic.prompt
    fullest = np.maximum(batch, np.minimum(places, most))
    batches = [batch, _beyond(batch, _excess(batch, mix)), *([] if full else [fullest])]
    nearby = steady_state(work, here, np.stack(batches), mix.traffic)
    steady, more = nearby.at(0), nearby.at(1)
    full = full.where(fullest > batch, steady) if full else nearby.at(2)
    rate = _rate_of(batch, steady, mix)
    whole, own = own_prefill(work, at, batch, mix)
    # While prompts queue as many decode as at any other time: rate × time (Little), whatever there is room for.
    chunk = pass_seconds(work, per_prompt, batch, CHUNK_TOKENS * per_prompt.ranks, mix)
    service = chunk * (mix.prompts / CHUNK_TOKENS) / (per_prompt.ranks * per_prompt.stages)
    interruption = _interruption_s(at, whole, steady, mix)
    crowded = _crowded_s(at, chunk, steady.decode_step_s, mix) if mix.arrival_scv > 1.0 else interruption
    through = own - at.physics.first_token_overhead_ms * 1e-3
    prompts = Prompts(chunk_s=chunk, service_s=service, interruption_s=interruption, until_through_s=through)
    wait = wait_of(batch, places, most, steady, full, prompts, mix)
    if at.anchors:
        measured = measured_first_tokens(here, batch, mix)
        wait, own = scaled(wait, measured), own * measured[..., None]
    return Point(
        batch=batch,
        rate=rate,
        steady=steady,
        full=full,
        wait=wait,
        own_s=own,
        tokens=_of_outputs(here, batch, rate, steady, more, interruption, crowded, mix),
    )


def _interruption_s(at: Layouts, whole: Array, steady: SteadyState, mix: Mix) -> Array:
    """Seconds by which each of the mix's prompts prolongs the steps it is in.

    `whole` is a pass with a prompt on every attention rank; one prompt is one rank's part of that.
    """
    chunks = np.ceil(mix.prompts / CHUNK_TOKENS)
    return np.asarray((whole - steady.decode_step_s[..., None]) * chunks / at.columns(2).ranks)


def _crowded_s(at: Layouts, chunk: Array, decode_step_s: Array, mix: Mix) -> Array:
    """The same in a full chunk, a step of `chunk` seconds: its part of what they prolong that step by together."""
    return np.asarray((chunk - decode_step_s[..., None]) * (mix.prompts / CHUNK_TOKENS) / at.columns(2).ranks)


def _excess(batch: Array, mix: Mix) -> Array | float:
    """By how much the variance of the requests that are there at once exceeds their mean, over the mean, where they do
    not slow each other down; 0 without bursts.
    """
    bursts = mix.arrival_scv - 1.0
    return bursts * mix.overlap * of_burst(batch) if bursts > 0.0 else 0.0


def _beyond(batch: Array, excess: Array | float) -> Array:
    """A larger batch, over which elasticities are taken: MORE × this one, or as large as bursts make it: two standard
    deviations of what they add, as p90 to p99 are 1.3 to 2.3 up.
    """
    if isinstance(excess, float):
        return batch * MORE
    return np.maximum(batch * MORE, batch + np.maximum(excess, 2.0 * np.sqrt(excess * batch)))


def _of_outputs(
    here: Layouts,
    batch: Array,
    rate: Array,
    steady: SteadyState,
    more: SteadyState,
    interruption: Array,
    crowded: Array,
    mix: Mix,
) -> TokenTimes:
    """The time per step of each of the mix's outputs, at `rate`; `more` is the steady state of the batch _beyond."""
    if mix.arrival_scv > 1.0:
        return _under_bursts(here, batch, rate, steady, more, interruption, crowded, mix)
    elasticity = np.log(more.step_s / steady.step_s) / math.log(MORE)
    swing = batch_swing(batch, elasticity, 1.0)
    _, square = moments(interruption, mix.prompt_shares)
    share = steady.prefill_time_share
    spread = token_spread_s(steady.step_s, swing, rate, share, square, mix.outputs)
    return TokenTimes(steady.step_s[..., None], spread)


def _under_bursts(
    here: Layouts,
    batch: Array,
    rate: Array,
    steady: SteadyState,
    more: SteadyState,
    interruption: Array,
    crowded: Array,
    mix: Mix,
) -> TokenTimes:
    """_of_outputs where requests come in bursts.

    So many interruptions as come while a request decodes have a times the variance of Poisson arrivals' number, and
    prompts that share a step cost what they do in a full chunk.
    """
    bursts, excess = mix.arrival_scv - 1.0, _excess(batch, mix)
    phase, beyond = min(bursts, 1.0), _beyond(batch, excess)
    growth = np.log(beyond / batch)
    own, square = moments(interruption, mix.prompt_shares)
    dearer = np.maximum((crowded * mix.prompt_shares).sum(-1) - own, 0.0)
    per_step = np.stack([batch, beyond]) / (mix.traffic.output * here.ranks * here.stages)
    more_prompts, shared = shared_steps(per_step, bursts)
    longer = dearer * here.ranks * more_prompts
    far = more.step_s + longer[1]
    elasticity = np.log(far / (steady.step_s + longer[0])) / growth
    # At the same rate a longer step makes a larger batch, and that a longer step.
    step = steady.step_s + longer[0] / (1.0 - np.clip(elasticity, 0.0, LARGEST_ELASTICITY))
    swing = batch_swing(batch, elasticity, 1.0 + excess)
    price = 1.0 + dearer / own * shared[0]
    own, square = own * price, square * price * price
    # While a burst lasts prompts take as much of the time as in the batch that it makes.
    calm_share, burst_share = 1.0 - steady.decode_step_s / step, 1.0 - more.decode_step_s / far
    share = calm_share + phase * (burst_share - calm_share)
    decoding = np.log(more.decode_step_s / steady.decode_step_s) / growth
    together = (joined(batch, elasticity, decoding, 1.0 + excess) - 1.0) * steady.decode_step_s
    come = bursts * of_burst(batch)
    mean = step * above_the_mean(swing, elasticity) ** phase + together
    after = burst_prompts_s(own, come / 2.0, share, mix.outputs)
    spread = token_spread_s(step, swing, rate, share, square + come * own * own, mix.outputs)
    # The number that comes after a request in its burst is taken as geometric: it varies by as much as its mean.
    return TokenTimes(mean[..., None] + after, np.hypot(spread, after))


def token_times(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> TokenTimes:
    """The time per step and its spread with `batch` sequences decoding, (..., set-ups, points): a Point's without its
    waits.
    """
    here, per_prompt = at.columns(1), at.columns(2)
    nearby = steady_state(work, here, np.stack([batch, _beyond(batch, _excess(batch, mix))]), mix.traffic)
    steady, more = nearby.at(0), nearby.at(1)
    whole, _ = own_prefill(work, at, batch, mix)
    crowded = interruption = _interruption_s(at, whole, steady, mix)
    if mix.arrival_scv > 1.0:
        # What a full chunk adds to a step hardly depends on the batch beside it: of several loads the last one's.
        last = (slice(-1, None),) if batch.ndim > 2 else ()
        chunk = pass_seconds(work, per_prompt, batch[last], CHUNK_TOKENS * per_prompt.ranks, mix)
        crowded = _crowded_s(at, chunk, steady.decode_step_s[last], mix)
    rate = _rate_of(batch, steady, mix)
    return _of_outputs(here, batch, rate, steady, more, interruption, crowded, mix)


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
    """The outputs' shares of the requests that have a time per output token; all of them where none has."""
    longer = _decodes(mix)
    kept = mix.output_shares * np.where(longer.any(axis=-1, keepdims=True), longer, True)
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
    """TPOT in seconds at `quantile` over the mix, or the mean, (set-ups, points); 0 where no answer is longer than a
    token.
    """
    if quantile is None:
        step_s = (point.tokens.mean_s * _lasting(mix)).sum(axis=-1)
    else:
        step_s = tpot_quantile_s(point.tokens, _lasting(mix), quantile)
    return np.where(_decodes(mix).any(axis=-1), step_s / mix.tokens_per_step, 0.0)
