"""The steps of replicas that keep a batch going, and from them the time per step that requests with each output see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, SteadyState, rate_of
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.queueing import LARGEST_ELASTICITY
from optimiser.performance.token_times import (
    TokenTimes,
    above_the_mean,
    batch_swing,
    burst_prompts_s,
    joined,
    of_burst,
    shared_steps,
    token_spread_s,
)
from optimiser.performance.waits import moments

# Step of the batch over which the elasticity of the step time is taken.
MORE = 1.05


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps with `batch` sequences decoding, through which `rate` requests/s go; (..., set-ups, points).

    more is the steady state of the larger batch (larger_batch), steady that of this one. interruption_s is by how many
    seconds each of the mix's prompts prolongs the steps it is in, crowded_s the same of one that shares its step with
    as many as that takes, both (..., prompts); None where requests do not come in bursts.
    """

    layouts: Layouts
    batch: Array
    larger: Array
    rate: Array
    steady: SteadyState
    more: SteadyState
    interruption_s: Array
    crowded_s: Array | None

    @classmethod
    def of(
        cls,
        at: Layouts,
        batch: Array,
        larger: Array,
        nearby: SteadyState,
        whole_s: Array,
        chunk_s: Array | None,
        mix: Mix,
    ) -> Steps:
        """The steps where `nearby` has the steady states of this batch and the larger one first.

        whole_s is a pass with a prompt on every attention rank, chunk_s a step with a full chunk, needed under bursts
        alone and of several loads of the last one alone: one prompt is one rank's part of what those add to a step.
        """
        steady, ranks = nearby.at(0), at.columns(2).ranks
        decode_s, chunks = steady.decode_step_s[..., None], mix.prompts / CHUNK_TOKENS
        return cls(
            layouts=at,
            batch=batch,
            larger=larger,
            rate=rate_of(batch, steady, mix.traffic),
            steady=steady,
            more=nearby.at(1),
            interruption_s=np.asarray((whole_s - decode_s) * np.ceil(chunks) / ranks),
            crowded_s=None
            if chunk_s is None
            else np.asarray((chunk_s - decode_s[-len(chunk_s) :]) * chunks / ranks),
        )


def larger_batch(batch: Array, mix: Mix) -> Array:
    """A larger batch, over which elasticities are taken: MORE × this one, or as large as bursts make it: two standard
    deviations of what they add, as p90 to p99 are 1.3 to 2.3 up.
    """
    if not mix.in_bursts:
        return batch * MORE
    excess = _excess(batch, mix)
    return np.maximum(batch * MORE, batch + np.maximum(excess, 2.0 * np.sqrt(excess * batch)))


def times_of(steps: Steps, mix: Mix) -> TokenTimes:
    """The time per step that requests with each of the mix's outputs see."""
    if steps.crowded_s is not None:
        return _under_bursts(steps, steps.crowded_s, mix)
    steady = steps.steady
    elasticity = np.log(steps.more.step_s / steady.step_s) / math.log(MORE)
    swing = batch_swing(steps.batch, elasticity, 1.0)
    _, square = moments(steps.interruption_s, mix.prompt_shares)
    spread = token_spread_s(steady.step_s, swing, steps.rate, steady.prefill_time_share, square, mix.outputs)
    return TokenTimes(steady.step_s[..., None], spread)


def _excess(batch: Array, mix: Mix) -> Array:
    """By how much the variance of the requests that are there at once exceeds their mean, over the mean, where they do
    not slow each other down, under bursts.
    """
    return np.asarray((mix.arrival_scv - 1.0) * mix.overlap * of_burst(batch))


class _Shared(NamedTuple):
    """Steps in which prompts of a burst meet: the mean step of the batch and of the larger one in seconds, the
    elasticity between the two, and how many times as long as alone a prompt interrupts.
    """

    step_s: Array
    larger_step_s: Array
    elasticity: Array
    times: Array


def _shared(steps: Steps, crowded_s: Array, own_s: Array, mix: Mix) -> _Shared:
    """own_s is the mean interruption of a prompt that is alone in its step."""
    here, steady, more = steps.layouts.columns(1), steps.steady, steps.more
    dearer_s = np.maximum((crowded_s * mix.prompt_shares).sum(-1) - own_s, 0.0)
    per_step = np.stack([steps.batch, steps.larger]) / (mix.traffic.output * here.ranks * here.stages)
    number, share = shared_steps(per_step, mix.arrival_scv - 1.0)
    longer_s = dearer_s * here.ranks * number
    larger_step_s = more.step_s + longer_s[1]
    growth = np.log(steps.larger / steps.batch)
    elasticity = np.log(larger_step_s / (steady.step_s + longer_s[0])) / growth
    # At the same rate a longer step makes a larger batch, and that a longer step.
    step_s = steady.step_s + longer_s[0] / (1.0 - np.clip(elasticity, 0.0, LARGEST_ELASTICITY))
    return _Shared(step_s, larger_step_s, elasticity, 1.0 + dearer_s / own_s * share[0])


def _under_bursts(steps: Steps, crowded_s: Array, mix: Mix) -> TokenTimes:
    """times_of where requests come in bursts.

    So many interruptions as come while a request decodes have a times the variance of Poisson arrivals' number, and
    prompts that share a step cost what they do in a full chunk.
    """
    batch, steady, more = steps.batch, steps.steady, steps.more
    bursts, dispersion = mix.arrival_scv - 1.0, 1.0 + _excess(batch, mix)
    # What has no like without bursts comes in with them, so that nothing jumps at a squared variation of 1.
    phase = min(bursts, 1.0)
    own, square = moments(steps.interruption_s, mix.prompt_shares)
    step, larger_step, elasticity, times = _shared(steps, crowded_s, own, mix)
    own, square = own * times, square * times * times
    swing = batch_swing(batch, elasticity, dispersion)
    # While a burst lasts prompts take as much of the time as in the batch that it makes.
    calm_share, burst_share = 1.0 - steady.decode_step_s / step, 1.0 - more.decode_step_s / larger_step
    share = calm_share + phase * (burst_share - calm_share)
    decoding = np.log(more.decode_step_s / steady.decode_step_s) / np.log(steps.larger / batch)
    together = (joined(batch, elasticity, decoding, dispersion) - 1.0) * steady.decode_step_s
    mean = step * above_the_mean(swing, elasticity) ** phase + together
    came_along = bursts * of_burst(batch)
    after = burst_prompts_s(own, came_along / 2.0, share, mix.outputs)
    spread = token_spread_s(step, swing, steps.rate, share, square + came_along * own * own, mix.outputs)
    # The number that comes after a request in its burst is taken as geometric: it varies by as much as its mean.
    return TokenTimes(mean[..., None] + after, np.hypot(spread, after))
