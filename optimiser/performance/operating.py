"""At which load a replica still meets its target: the largest batch, the rate there, the latencies.

Arrays are (set-ups, points): one point for a whole mix, one per bucket for buckets alone, or several loads.
A third axis, where there is one, is the sizes of a mix: of its prompts or of its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, SteadyState, steady_state
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.part_load import Rows, held_up_to
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
from optimiser.performance.token_times import (
    TokenTimes,
    batch_swing,
    meets_tpot,
    token_spread_s,
    tpot_quantile_s,
)
from optimiser.performance.waits import Prompts, wait_of
from optimiser.workload import Target

# No bucket's own TTFT percentile may be worse than this many times the target for the mix.
BUCKET_TTFT_FACTOR = 3.0
# A replica that has a request in it for so little of the time: requests do not meet, and what it does there is the
# best it can.
LOWEST_LOAD = 0.02
# So few decoding sequences that a step is as long as with one, and none of the time is spent on prompts.
_HARDLY_ANY = 1e-9
# Mean concurrency stays below the places there are, even offline, where requests only differ in length.
PLACES_SHARE = 0.98
_BISECTIONS = 12
_JUST_BEYOND = 1.0 + 1e-6
# Step of the batch over which the elasticity of the step time is taken.
_MORE = 1.05
# A tenth of the highest rate, and less, keeps more of the batch going than one in so many.
_SMALLEST_PART = 1e4
# So many points at once stay in a core's cache.
_BLOCK = 2**14
# Loads at which throughput is compared, since a larger batch is not always faster.
_ANCHORS = 2.0 ** np.arange(-2.0, 15.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Replicas under a load: rate in requests/s per replica, full the steady state of the fullest batch, own_s what
    the TTFT of each of the mix's prompts is without any wait, token_spread_s the standard deviation of the time per
    step of each of its outputs.
    """

    batch: Array
    rate: Array
    steady: SteadyState
    full: SteadyState
    wait: Wait
    own_s: Array
    token_spread_s: Array


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
    batches = [batch, batch * _MORE, *([] if full else [fullest])]
    nearby = steady_state(work, here, np.stack(batches), mix.traffic)
    steady, more = nearby.at(0), nearby.at(1)
    full = full.where(fullest > batch, steady) if full else nearby.at(2)
    rate = _rate_of(batch, steady, mix)
    whole, own = own_prefill(work, at, batch, mix)
    # While prompts queue the batch fills up: half way, over the time that they do.
    chunk = pass_seconds(work, per_prompt, (batch + fullest) / 2.0, CHUNK_TOKENS * per_prompt.ranks, mix)
    service = chunk * (mix.prompts / CHUNK_TOKENS) / (per_prompt.ranks * per_prompt.stages)
    interruption = _interruption_s(at, whole, steady, mix)
    through = own - at.physics.first_token_overhead_ms * 1e-3
    prompts = Prompts(service_s=service, interruption_s=interruption, until_through_s=through)
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
        token_spread_s=_spread_of_outputs(batch, rate, steady, more, interruption, mix),
    )


def _interruption_s(at: Layouts, whole: Array, steady: SteadyState, mix: Mix) -> Array:
    """Seconds by which each of the mix's prompts prolongs the steps it is in.

    `whole` is a pass with a prompt on every attention rank; one prompt is one rank's part of that.
    """
    chunks = np.ceil(mix.prompts / CHUNK_TOKENS)
    return np.asarray((whole - steady.decode_step_s[..., None]) * chunks / at.columns(2).ranks)


def _spread_of_outputs(
    batch: Array, rate: Array, steady: SteadyState, more: SteadyState, interruption: Array, mix: Mix
) -> Array:
    """Seconds of spread of the time per step of each of the mix's outputs, at `rate`; `more` is the steady state of
    _MORE × the batch.
    """
    swing = batch_swing(batch, np.log(more.step_s / steady.step_s) / np.log(_MORE))
    square = (interruption**2 * mix.prompt_shares).sum(-1)
    return token_spread_s(steady.step_s, swing, rate, steady.prefill_time_share, square, mix.outputs)


def token_times(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> TokenTimes:
    """The mean step and its spread with `batch` sequences decoding, (..., set-ups, points): a Point's without its
    waits.
    """
    here = at.columns(1)
    nearby = steady_state(work, here, np.stack([batch, batch * _MORE]), mix.traffic)
    steady, more = nearby.at(0), nearby.at(1)
    whole, _ = own_prefill(work, at, batch, mix)
    interruption = _interruption_s(at, whole, steady, mix)
    rate = _rate_of(batch, steady, mix)
    return TokenTimes(steady.step_s, _spread_of_outputs(batch, rate, steady, more, interruption, mix))


def meets_first_token(point: Point, mix: Mix, target: Target) -> Flags:
    """Whether the mix's TTFT and every prompt's threefold TTFT hold at the target's percentile."""
    quantile, limit = target.percentile / 100.0, target.ttft_ms / 1e3
    whole = meets_ttft(point.wait, point.own_s, mix.prompt_shares, limit, quantile)
    every = each_meets_ttft(point.wait, point.own_s, BUCKET_TTFT_FACTOR * limit, quantile)
    return np.asarray(whole & every)


def meets_tokens(point: Point, mix: Mix, target: Target) -> Flags:
    """Whether the mix's TPOT holds at the target's percentile; an answer of one token has none."""
    return _tokens_within(TokenTimes(point.steady.step_s, point.token_spread_s), mix, target)


def _tokens_within(times: TokenTimes, mix: Mix, target: Target) -> Flags:
    limit, quantile = target.tpot_ms / 1e3 * mix.tokens_per_step, target.percentile / 100.0
    within = meets_tpot(times.step_s, times.spread_s, _lasting(mix), limit, quantile)
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


def lowest_batch(work: ModelWork, at: Layouts, places: Array, mix: Mix) -> Array:
    """The mean number of decoding sequences of a replica at LOWEST_LOAD, (set-ups, points).

    A request is in it while its prompt is processed, too: where answers are short, that is nearly all of the time.
    """
    here, hardly = at.columns(1), np.full_like(places, _HARDLY_ANY)
    own_s = own_prefill(work, at, hardly, mix)[1]
    if at.anchors:
        own_s = own_s * measured_first_tokens(here, hardly, mix)[..., None]
    decoding = mix.traffic.output * steady_state(work, here, hardly, mix.traffic).decode_step_s
    return np.asarray(LOWEST_LOAD * decoding / (decoding + (own_s * mix.prompt_shares).sum(-1)))


def largest_batch(work: ModelWork, at: Layouts, places: Array, mix: Mix, target: Target | None) -> Array:
    """The largest mean number of decoding sequences at which the target holds; 0 where none does.

    places is (set-ups, points), the result too. Latencies grow with the batch, so bisection finds it; where the time
    per token does not, it holds at every lower load (part_load). Without a target it is all places.
    """
    if target is None:
        return places * PLACES_SHARE
    lowest = lowest_batch(work, at, places, mix)
    largest = _at_the_target(work, at, places, lowest, mix, target)
    serving = np.flatnonzero((largest > 0).any(axis=-1))
    if not len(serving):
        return largest
    at, mix = at.select(serving), mix.of_set_ups(serving)

    def within_of(rows: Rows, points: Rows, batch: Array) -> Flags:
        pairs = mix.of_pairs(rows, points)
        return _tokens_within(token_times(work, at.select(rows), batch, pairs), pairs, target)

    found = largest[serving]
    # From here on prompts come into every step; steps are looked at up to _MORE × a batch.
    here = at.columns(1)
    every_step = here.stages * mix.traffic.output / mix.traffic.prefill_steps / _MORE
    # From just beyond on a step with a prompt of the mean length is launched kernel by kernel.
    chunk = mix.traffic.prompt / mix.traffic.prefill_steps
    launched = (here.graph_tokens - chunk) * here.ranks * here.stages / work.step_tokens * _JUST_BEYOND
    beyond_graphs = np.where(launched > 0.0, launched, every_step)
    breaks = np.stack([np.broadcast_to(one, found.shape) for one in (every_step, beyond_graphs)])
    held = held_up_to(
        lambda batch: token_times(work, at, batch, mix),
        within_of,
        low=lowest[serving],
        largest=np.maximum(found, lowest[serving]),
        breaks=breaks,
        limit_s=target.tpot_ms / 1e3 * mix.tokens_per_step,
        percentile=target.percentile,
    )
    largest[serving] = np.minimum(found, held)
    return largest


def _at_the_target(
    work: ModelWork, at: Layouts, places: Array, lowest_batches: Array, mix: Mix, target: Target
) -> Array:
    """A batch at which the target holds and just beyond which it does not, by bisection; 0 where it never does."""
    largest = lowest_batches.copy()
    high = np.maximum(places * PLACES_SHARE, largest)
    lowest = evaluate(work, at, largest, places, mix)
    possible = meets(lowest, mix, target)
    all_places = meets(evaluate(work, at, high, places, mix, lowest.full), mix, target)
    between = np.flatnonzero((possible & ~all_places).any(axis=-1))
    if len(between):
        at, places_between, full = at.select(between), places[between], lowest.full.at(between)
        mix, low, high = mix.of_set_ups(between), largest[between], high[between]
        for _ in range(_BISECTIONS):
            middle = np.sqrt(low * high)
            good = meets(evaluate(work, at, middle, places_between, mix, full), mix, target)
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        largest[between] = low
    return np.where(possible, np.where(all_places, places * PLACES_SHARE, largest), 0.0)


def fastest_batch(work: ModelWork, at: Layouts, largest: Array, mix: Mix) -> tuple[Array, Array]:
    """The batch up to `largest` with the highest rate, and that rate in requests/s per replica."""
    below = _ANCHORS[: np.searchsorted(_ANCHORS, largest.max())]
    batches = np.minimum(np.append(below, np.inf)[:, None, None], largest)
    blocks = np.array_split(np.maximum(batches, _HARDLY_ANY), max(batches.size // _BLOCK, 1))
    step_s = np.concatenate([request_rate(work, at, block, mix)[1].step_s for block in blocks])
    rates = batches / (mix.traffic.output * step_s)
    best = rates.argmax(axis=0)[None]
    return np.take_along_axis(batches, best, 0)[0], np.take_along_axis(rates, best, 0)[0]


def batch_at_rate(work: ModelWork, at: Layouts, rate: Array, largest: Array, mix: Mix) -> Array:
    """The batch that `rate` requests/s per replica keep going, at most `largest`; all (set-ups, points)."""
    high = np.broadcast_to(largest, rate.shape)
    low = high / _SMALLEST_PART
    for _ in range(_BISECTIONS):
        middle = np.sqrt(low * high)
        below = request_rate(work, at, middle, mix)[0] < rate
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(high)


def first_token_s(point: Point, mix: Mix, quantile: float) -> Array:
    """TTFT in seconds at `quantile` over the mix, (set-ups, points)."""
    return mix_quantile(point.wait, point.own_s, mix.prompt_shares, quantile)


def prompt_first_token_s(point: Point, quantile: float) -> Array:
    """TTFT in seconds at `quantile` of the requests with each of the mix's prompts, (set-ups, points, prompts)."""
    return wait_quantile(point.wait, quantile)[..., None] + point.own_s


def per_token_s(point: Point, mix: Mix, quantile: float) -> Array:
    """TPOT in seconds at `quantile` over the mix, (set-ups, points); 0 where no answer is longer than a token."""
    step_s = tpot_quantile_s(point.steady.step_s, point.token_spread_s, _lasting(mix), quantile)
    return np.where(_decodes(mix).any(axis=-1), step_s / mix.tokens_per_step, 0.0)
