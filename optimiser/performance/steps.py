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
    JITTER,
    TokenTimes,
    above_the_mean,
    batch_swing,
    behind_its_prompt,
    decoding_steps,
    joined,
    of_burst,
    prompts_after,
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
    as many as that takes, both (..., prompts). No step takes longer than most_s, a full chunk beside the larger batch.
    """

    layouts: Layouts
    batch: Array
    larger: Array
    rate: Array
    steady: SteadyState
    more: SteadyState
    interruption_s: Array
    crowded_s: Array
    most_s: Array

    @classmethod
    def of(
        cls,
        at: Layouts,
        batch: Array,
        larger: Array,
        nearby: SteadyState,
        whole_s: Array,
        chunk_s: Array,
        mix: Mix,
    ) -> Steps:
        """The steps where `nearby` has the steady states of this batch and the larger one first.

        whole_s is a pass with a prompt on every attention rank, chunk_s a step with a full chunk, of several loads that
        of the last one alone: one prompt is one rank's part of what those add to a step.
        """
        steady, more, ranks = nearby.at(0), nearby.at(1), at.columns(2).ranks
        decode_s, chunks = steady.decode_step_s[..., None], mix.prompts / CHUNK_TOKENS
        full_s = chunk_s - decode_s[-len(chunk_s) :]
        return cls(
            layouts=at,
            batch=batch,
            larger=larger,
            rate=rate_of(batch, steady, mix.traffic),
            steady=steady,
            more=more,
            interruption_s=np.asarray((whole_s - decode_s) * np.ceil(chunks) / ranks),
            crowded_s=np.asarray(full_s * chunks / ranks),
            most_s=np.asarray(full_s.max(axis=-1) + more.decode_step_s),
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
    if mix.in_bursts:
        return _under_bursts(steps, mix)
    steady = steps.steady
    elasticity = np.log(steps.more.step_s / steady.step_s) / math.log(MORE)
    swing = batch_swing(steps.batch, elasticity, 1.0)
    own, square = moments(steps.interruption_s, mix.prompt_shares)
    share, calm_s = steady.prefill_time_share, steady.decode_step_s[..., None]
    spread = token_spread_s(steady.step_s, swing, steps.rate, share, square[..., None], mix.outputs)
    behind = behind_its_prompt(steps.rate, own, square, share)[..., None]
    more_s, more_square = prompts_after(own, square, 0.0, behind, share, mix.outputs)
    come = decoding_steps(mix.outputs) * (steps.rate * steady.step_s)[..., None] + behind
    return TokenTimes(
        mean_s=steady.step_s[..., None] + more_s,
        spread_s=np.sqrt(spread * spread + more_square),
        calm=np.exp(-come),
        calm_s=calm_s,
        calm_spread_s=calm_s * np.hypot(swing, JITTER)[..., None],
        most_s=steps.most_s[..., None],
    )


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


def _shared(steps: Steps, own_s: Array, mix: Mix) -> _Shared:
    """own_s is the mean interruption of a prompt that is alone in its step."""
    here, steady, more = steps.layouts.columns(1), steps.steady, steps.more
    dearer_s = np.maximum((steps.crowded_s * mix.prompt_shares).sum(-1) - own_s, 0.0)
    per_step = np.stack([steps.batch, steps.larger]) / (mix.traffic.output * here.ranks * here.stages)
    number, share = shared_steps(per_step, mix.arrival_scv - 1.0)
    longer_s = dearer_s * here.ranks * number
    larger_step_s = more.step_s + longer_s[1]
    growth = np.log(steps.larger / steps.batch)
    elasticity = np.log(larger_step_s / (steady.step_s + longer_s[0])) / growth
    # At the same rate a longer step makes a larger batch, and that a longer step.
    step_s = steady.step_s + longer_s[0] / (1.0 - np.clip(elasticity, 0.0, LARGEST_ELASTICITY))
    return _Shared(step_s, larger_step_s, elasticity, 1.0 + dearer_s / own_s * share[0])


def _under_bursts(steps: Steps, mix: Mix) -> TokenTimes:
    """times_of where requests come in bursts.

    So many interruptions as come while a request decodes have a times the variance of Poisson arrivals' number, and
    prompts that share a step cost what they do in a full chunk.
    """
    batch, steady, more = steps.batch, steps.steady, steps.more
    bursts, dispersion = mix.arrival_scv - 1.0, 1.0 + _excess(batch, mix)
    # What has no like without bursts comes in with them, so that nothing jumps at a squared variation of 1.
    phase = min(bursts, 1.0)
    own, square = moments(steps.interruption_s, mix.prompt_shares)
    step, larger_step, elasticity, times = _shared(steps, own, mix)
    own, square = own * times, square * times * times
    swing = batch_swing(batch, elasticity, dispersion)
    # While a burst lasts prompts take as much of the time as in the batch that it makes.
    calm_share, burst_share = 1.0 - steady.decode_step_s / step, 1.0 - more.decode_step_s / larger_step
    share = calm_share + phase * (burst_share - calm_share)
    decoding = np.log(more.decode_step_s / steady.decode_step_s) / np.log(steps.larger / batch)
    together = (joined(batch, elasticity, decoding, dispersion) - 1.0) * steady.decode_step_s
    mean = step * above_the_mean(swing, elasticity) ** phase + together
    behind = behind_its_prompt(steps.rate, own, square, share)[..., None]
    # The shorter its answer, the fewer of its burst come while a request is there.
    stay = batch[..., None] * (mix.outputs / mix.traffic.output[..., None]) + behind
    came_along = bursts * of_burst(stay)
    squares = square[..., None] + came_along * (own * own)[..., None]
    spread = token_spread_s(step, swing, steps.rate, share, squares, mix.outputs)
    more_s, more_square = prompts_after(own, square, came_along / 2.0, behind, share, mix.outputs)
    come = decoding_steps(mix.outputs) * (steps.rate * step)[..., None] + came_along / 2.0 + behind
    calm_s = (steady.decode_step_s + together)[..., None]
    return TokenTimes(
        mean_s=mean[..., None] + more_s,
        spread_s=np.sqrt(spread * spread + more_square),
        # None comes to a negative binomial number with that mean and 1 + came_along times its variance.
        calm=np.exp(-come * np.log1p(came_along) / came_along),
        calm_s=calm_s,
        calm_spread_s=calm_s * np.hypot(swing, JITTER)[..., None],
        most_s=steps.most_s[..., None],
    )
