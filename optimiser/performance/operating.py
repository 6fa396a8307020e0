"""At which load a replica still meets its target, is fastest, or serves a given rate.

Arrays are (set-ups, points), as in at_load.
"""

from __future__ import annotations

import numpy as np

from optimiser.performance.at_load import evaluate, meets, request_rate, token_times, tokens_within
from optimiser.performance.batching import CHUNK_TOKENS, steady_state
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.part_load import STEADY_PERCENTILE, STEADY_TOKENS, Rows, held_up_to
from optimiser.performance.prompt_passes import measured_first_tokens, own_prefill
from optimiser.performance.queueing import Flags
from optimiser.workload import Target

# A replica that has a request in it for so little of the time: requests do not meet, and what it does there is the
# best it can.
LOWEST_LOAD = 0.02
# So few decoding sequences that a step is as long as with one, and none of the time is spent on prompts.
_HARDLY_ANY = 1e-9
# Mean concurrency stays below the places there are, even offline, where requests only differ in length.
PLACES_SHARE = 0.98
_BISECTIONS = 12
# A tenth of the highest rate, and less, keeps more of the batch going than one in so many.
_SMALLEST_PART = 1e4
# So many points at once stay in a core's cache.
_BLOCK = 2**14
# Loads at which throughput is compared, since a larger batch is not always faster; up to one sequence it is.
_ANCHORS = 2.0 ** np.arange(0.0, 16.0)


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
    short = (mix.outputs.min(axis=-1) * mix.tokens_per_step < STEADY_TOKENS).any(axis=0)
    # Drafts and adapters cost most where few sequences share them, and bursts where a batch is small, however long the
    # answers are.
    short |= bool(work.drafts or work.adapters) or mix.in_bursts or target.percentile < STEADY_PERCENTILE
    serving = np.flatnonzero((largest[:, short] > 0).any(axis=-1))
    if len(serving):
        where = np.ix_(serving, np.flatnonzero(short))
        some = mix.of_set_ups(serving).of_points(short)
        largest[where] = _held(work, at.select(serving), largest[where], lowest[where], some, target)
    return largest


def _held(work: ModelWork, at: Layouts, largest: Array, lowest: Array, mix: Mix, target: Target) -> Array:
    """The largest batch up to `largest` at which and below which the time per token keeps its limit."""

    def within_of(rows: Rows, points: Rows, batch: Array) -> Flags:
        pairs = mix.of_pairs(rows, points)
        return tokens_within(token_times(work, at.select(rows), batch, pairs), pairs, target)

    # From here on prompts come into every step.
    every_step = at.columns(1).stages * mix.traffic.output / mix.traffic.prefill_steps
    held = held_up_to(
        lambda batch: token_times(work, at, batch, mix),
        within_of,
        low=lowest,
        largest=np.maximum(largest, lowest),
        kink=np.broadcast_to(every_step, largest.shape),
        limit_s=target.tpot_ms / 1e3 * mix.tokens_per_step,
        percentile=target.percentile,
    )
    return np.minimum(largest, held)


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
    # The last whose prompts go into its steps: a larger one waits for them.
    most = (
        at.columns(1).stages * at.columns(1).ranks * (CHUNK_TOKENS * mix.traffic.output / mix.traffic.prompt)
    )
    loads = [*np.broadcast_to(np.append(below, np.inf)[:, None, None], (len(below) + 1, 1, 1)), most]
    batches = np.stack([np.minimum(load, largest) for load in loads])
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
