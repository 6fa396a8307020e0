"""What a request waits for at a replica under a load: the step under way, prompts before it, a place in the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.performance.batching import SteadyState, rate_of
from optimiser.performance.layouts import Array
from optimiser.performance.mix import Mix
from optimiser.performance.queueing import Wait, batch_places, prefill_queue
from optimiser.performance.swings import LARGEST_FEEDBACK, joining_dispersion

# In place of a wait without end.
_FOR_EVER_S = 1e9


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Seconds of each of the mix's prompts, (..., prompts): chunk_s of a step with as many as it takes of them,
    service_s of one in the prefill queue, interruption_s by which one prolongs the steps it is in, until_through_s from
    its first step to its first token.
    """

    chunk_s: Array
    service_s: Array
    interruption_s: Array
    until_through_s: Array


def wait_of(
    batch: Array,
    places: Array,
    most: Array,
    steady: SteadyState,
    full: SteadyState,
    prompts: Prompts,
    mix: Mix,
) -> Wait:
    """The waits of requests that find a replica with `batch` sequences decoding, in steps as `steady` has them.

    full is the steady state of the fullest batch: all `places`, at most the requests that can decode (most).
    """
    rate = rate_of(batch, steady, mix.traffic)
    mean, square = ((prompts.service_s**power * mix.prompt_shares).sum(-1) for power in (1, 2))
    queued, queue = prefill_queue(rate, mean, square, mix.arrival_scv, mix.pool)
    blocked, place_s = _place_wait(batch, rate, places, most, steady, full, prompts, mix)
    alone, mixed, share = steady.decode_step_s, steady.mixed_step_s, steady.mixed_share
    # An arrival meets long steps more often: E[step²] / E[step] is the mean length of the step it meets.
    met = (alone * alone * (1 - share) + mixed * mixed * share) / (alone * (1 - share) + mixed * share)
    met = met * np.minimum(batch, 1.0)
    behind = queued * _behind_s(queued * queue, moments(prompts.chunk_s, mix.prompt_shares)[0])
    return Wait(residual_s=met + behind, queued=queued, queue_s=queue, blocked=blocked, place_s=place_s)


def _behind_s(waiting_s: Array, chunk_s: Array) -> Array:
    """Seconds that prompts behind one that waits add to its last step, which is filled up with them.

    Looked at from either end of the queue as many are behind one as before it: work of waiting_s, the mean wait of
    all. In the step that it ends in there is room for half of one, on average. The shorter of the two, smoothly; judged
    by simulated engines.
    """
    work, room = np.minimum(waiting_s, _FOR_EVER_S), chunk_s / 2.0
    return np.asarray(work * room / (work + room))


def _place_wait(
    batch: Array,
    rate: Array,
    places: Array,
    most: Array,
    steady: SteadyState,
    full: SteadyState,
    prompts: Prompts,
    mix: Mix,
) -> tuple[Array, Array]:
    """batch_places of a batch with these steps. Twice as many places as requests that can decode are not waited for.

    A request's work is its prompt's, and its part of the steps that it decodes in.

    Prompts come in at their own rate, however full the batch is, so what they take of the time slows the others, and
    lets more come in (joining_dispersion, p being the share of time that prompts take). The bursts that fill a batch
    bring more of them at once, for which half of what a fuller batch's prompts add to its step counts as elasticity
    (judged by simulated engines: without it long prompts in bursts wait too short, with all of it too long). Of
    requests that join together a part leaves early and crowds no more (Whitt, "Heavy-Traffic Approximations for Service
    Systems with Blocking", 1984, has that overlap for the peakedness of arrivals; here of what prompts add alone, on
    the safe side).
    """
    arrival_scv = max(mix.arrival_scv, 1.0)
    fullest = np.maximum(batch, np.minimum(places, most))
    full_rate = rate_of(fullest, full, mix.traffic)
    # A request holds its place while its prompt is processed, too.
    taken = batch + rate * (prompts.until_through_s * mix.prompt_shares).sum(-1)
    fuller = np.maximum(fullest / batch - 1.0, 1e-9)
    decoding, all_of_it = (
        np.maximum(later / now - 1.0, 0.0) / fuller
        for now, later in ((steady.decode_step_s, full.decode_step_s), (steady.step_s, full.step_s))
    )
    together = joining_dispersion(
        arrival_scv,
        np.minimum(steady.prefill_time_share, LARGEST_FEEDBACK),
        scv(*moments(prompts.interruption_s, mix.prompt_shares)),
    )
    dispersion = arrival_scv + (together - arrival_scv) * mix.overlap
    elasticity = (decoding + all_of_it) / 2.0
    variation = _work_scv(prompts, steady.decode_step_s / np.maximum(batch, 1.0), mix)
    waits = batch_places(rate, full_rate, taken, places, variation, elasticity, dispersion, arrival_scv)
    blocked, place_s = (np.where(2.0 * most <= places, 0.0, values) for values in waits)
    return blocked, place_s


def _work_scv(prompts: Prompts, token_s: Array, mix: Mix) -> Array:
    """Squared coefficient of variation of interruption + output · token_s over the requests of the mix.

    E[w²] = E[i²] + 2·token_s·E[i·output] + token_s²·E[output²].
    """
    own, own_square = moments(prompts.interruption_s, mix.prompt_shares)
    output, output_square = moments(mix.outputs, mix.shares)
    both = (prompts.interruption_s[..., mix.prompt_of] * mix.outputs * mix.shares).sum(-1)
    square = own_square + token_s * (2.0 * both + token_s * output_square)
    return scv(own + token_s * output, square)


def moments(values: Array, shares: Array) -> tuple[Array, Array]:
    """E[x] and E[x²] over the last axis."""
    return np.asarray((values * shares).sum(-1)), np.asarray((values * values * shares).sum(-1))


def scv(mean: Array, square: Array) -> Array:
    """The squared coefficient of variation of these moments."""
    return np.asarray(np.maximum(square / np.maximum(mean * mean, 1e-24) - 1.0, 0.0))
