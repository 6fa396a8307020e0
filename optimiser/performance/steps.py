"""The steps of replicas that keep a batch going, and from them the time per step that requests of each bucket see.

A prompt that comes in prolongs a step, in which more come in, and all of them join the batch, whose steps take longer
the larger it is. Those who come together see more than the mean step: they are in each other's batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, SteadyState, rate_of
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.queueing import LARGEST_ELASTICITY
from optimiser.performance.swings import (
    LARGEST_FEEDBACK,
    arrival_dispersion,
    batch_dispersion,
    chance_of_a_gap,
    deviations_of_the_most,
    joining_dispersion,
    of_burst,
    parts_in_the_way,
    passes,
    shared_steps,
)
from optimiser.performance.token_times import (
    JITTER,
    After,
    TokenTimes,
    behind_its_prompt,
    decoding_steps,
    interruption_spread_s,
    prompts_after,
)
from optimiser.performance.waits import moments, scv

# How often a request's stay is worked out from those of its burst that come within it, and those from its stay.
_STAYS = 2


class Line(NamedTuple):
    """Batches between which a step's growth is looked at: that which a request finds, and two standard deviations more
    (p90 to p99 are 1.3 to 2.3) and at least two sequences per pipeline stage; both (..., set-ups, points).

    Steps of a mixture of experts grow ever less with their batch. That of a request's burst is far from the mean one.
    """

    low: Array
    high: Array

    @classmethod
    def of(cls, batch: Array, stages: Array, mix: Mix) -> Line:
        """The line from `batch` and those that came with a request."""
        bursts = (arrival_dispersion(mix.arrival_scv, batch) - 1.0) * mix.overlap
        low = np.maximum(batch, stages) + bursts
        return cls(low, low + 2.0 * (stages + np.sqrt((1.0 + bursts) * (batch + bursts))))


def nearby_batches(batch: Array, line: Line, mix: Mix) -> list[Array]:
    """The batches whose steady states Steps.of takes, in its order: without bursts the line begins at the batch."""
    return [batch, line.high, line.low] if mix.in_bursts else [batch, line.high]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps with `batch` sequences decoding, through which `rate` requests/s go: those that go through the stages of a
    pipeline together, one of as many parts of the replica's as it has stages; (..., set-ups, points).

    ranks are the attention ranks that share them and stages the pipeline's, (set-ups, 1), steady their steady state,
    chunks how many chunks of prompts come into one of them on average. slope_s is by how many seconds a step without
    prompts is longer for one sequence more along a Line, and above_s how far above steady's that line is there.
    interruption_s is by how many seconds each of the mix's prompts prolongs the steps it is in, crowded_s the same of
    one that shares its step with as many as that takes, both (..., prompts). No step takes longer than most_s, a full
    chunk beside the Line's higher batch.
    """

    ranks: Array
    stages: Array
    batch: Array
    rate: Array
    chunks: Array
    steady: SteadyState
    slope_s: Array
    above_s: Array
    interruption_s: Array
    crowded_s: Array
    most_s: Array

    @classmethod
    def of(
        cls,
        at: Layouts,
        batch: Array,
        line: Line,
        nearby: SteadyState,
        whole_s: Array,
        chunk_s: Array,
        mix: Mix,
    ) -> Steps:
        """The steps where `nearby` has the steady states of nearby_batches first.

        whole_s is a pass with a prompt on every attention rank, chunk_s a step with a full chunk on each, as long as
        they take the GPUs, (..., prompts): one prompt is one rank's part of what those add to a step.
        """
        steady, high, low = nearby.at(0), nearby.at(1), nearby.at(2 if mix.in_bursts else 0)
        stages, ranks = at.columns(1).stages, at.columns(2).ranks
        part, lowest = batch / stages, np.maximum(line.low / stages, 1.0)
        grown_s = np.maximum(high.decode_step_s - low.decode_step_s, 0.0)
        slope_s = grown_s / (line.high / stages - lowest)
        here_s = low.decode_step_s + slope_s * (np.maximum(part, 1.0) - lowest)
        decode_s, chunks = steady.decode_step_s[..., None], mix.prompts / CHUNK_TOKENS
        full_s = chunk_s - decode_s
        return cls(
            ranks=at.columns(1).ranks,
            stages=stages,
            batch=part,
            rate=rate_of(part, steady, mix.traffic),
            chunks=part * mix.traffic.prefill_steps / (mix.traffic.output * at.columns(1).ranks),
            steady=steady,
            slope_s=slope_s,
            above_s=here_s - steady.decode_step_s,
            interruption_s=np.asarray((whole_s - decode_s) * np.ceil(chunks) / ranks),
            crowded_s=np.asarray(full_s * chunks / ranks),
            most_s=np.asarray(full_s.max(axis=-1) + high.decode_step_s),
        )


class _Flow(NamedTuple):
    """Prompts on their way through the steps, (...,) but for each_s.

    each_s is by how many seconds one more of each of the mix's prompts prolongs the steps, (..., prompts), own_s and
    square its mean and mean square over the requests; feedback is how many more come in while one is processed, step_s
    the mean step and batch the sequences in it. met_rate is the requests/s whose prompts prolong it, those of other
    parts of a pipeline, too (parts_in_the_way), and longer how many seconds one more in it becomes with them.
    """

    each_s: Array
    own_s: Array
    square: Array
    feedback: Array
    step_s: Array
    batch: Array
    met_rate: Array
    longer: Array


def _flow(steps: Steps, mix: Mix) -> _Flow:
    """How prompts that share their steps add up: the first of a step is processed while weights are read anyway, and
    costs less than the others, or more, where it fills no GPU. A step that is longer makes a larger batch at the same
    rate, and that and more prompts a longer step (passes). Parts of a pipeline wait for the prompts of all, and for the
    fullest of them.
    """
    steady, rate = steps.steady, steps.rate / steps.ranks
    alone_s = (steps.interruption_s * mix.prompt_shares).sum(-1)
    dearer_s = (steps.crowded_s * mix.prompt_shares).sum(-1) - alone_s
    come = rate * steady.decode_step_s, rate * steady.mixed_step_s
    shared, alone = shared_steps(*come, mix.arrival_scv - 1.0)
    each_s = steps.interruption_s * (1.0 + dearer_s / alone_s * (1.0 - alone))[..., None]
    own_s, square = moments(each_s, mix.prompt_shares)
    longer_s = dearer_s * shared * steps.batch / mix.traffic.output
    added_s = longer_s + steps.slope_s * _fuller(steps, steps.batch)
    own = (steady.step_s - steady.decode_step_s + longer_s) / steady.step_s
    grown = steps.slope_s * steps.batch / steady.step_s
    times = passes(own, grown, added_s / steady.step_s, steps.chunks, steps.stages)
    step_s = np.maximum(steady.step_s * times, steady.decode_step_s)
    in_the_way = parts_in_the_way(steps.chunks * times, steps.stages)
    feedback = np.clip(steps.rate * own_s, 0.0, LARGEST_FEEDBACK)
    # What prompts of other parts add grows with the root of the step where not all of them are in the way.
    more = np.where(in_the_way < steps.stages, (in_the_way + 1.0) / 2.0, in_the_way)
    return _Flow(
        each_s=each_s,
        own_s=own_s,
        square=square,
        feedback=feedback,
        step_s=step_s,
        batch=steps.batch * (step_s / steady.step_s),
        met_rate=steps.rate * in_the_way,
        longer=1.0 / (1.0 - np.minimum(feedback * more, LARGEST_FEEDBACK)),
    )


def _fuller(steps: Steps, variance: Array) -> Array:
    """By how many sequences the fullest part of a pipeline is above the mean, of numbers with that variance."""
    return np.asarray(deviations_of_the_most(steps.stages) * np.sqrt(variance))


def _elasticity(slope_s: Array, batch: Array, decode_s: Array) -> Array:
    """d ln t / d ln B of a step that takes decode_s without what further prompts add."""
    return np.asarray(np.clip(slope_s * batch / decode_s, 0.0, LARGEST_ELASTICITY))


def times_of(steps: Steps, mix: Mix) -> TokenTimes:
    """The time per step that requests of each bucket see.

    Its mean is that of the steps, and what is in a request's own beyond those of any time: itself and those that came
    with it in the batch, and the prompts after its own. What prompts add to its steps and to the batch they join swings
    together, and adds up: steps of a batch whose number has a standard deviation σ swing by slope·σ / (1 − p), more
    prompts coming in while they are longer.
    """
    flow = _flow(steps, mix)
    calm, dispersion = 1.0 - flow.feedback, _dispersion(steps, flow, mix)
    # No step is shorter than that of one sequence.
    least = np.maximum(flow.batch, 1.0)
    swung = _fuller(steps, dispersion * flow.batch) - _fuller(steps, flow.batch)
    seen = flow.batch + dispersion + swung - least
    step_s = (flow.step_s + (steps.slope_s * seen + steps.above_s) * flow.longer)[..., None]
    # A request sees more variance than there is at any time. D·(D − 1) for dispersion D is up to three times too much
    # under Gamma gaps of CV 3 (drawn), on the safe side.
    together = (_coming(steps, flow, mix) - 1.0) * mix.overlap
    swing_s = (steps.slope_s * np.sqrt(dispersion * flow.batch + (1.0 + together) * together))[..., None]
    after, more_s, more_square = _after(steps, flow, step_s, mix)
    # Variance over mean of the number of prompts in its steps, less Poisson's 1.
    excess = 2.0 * after.followers
    squares = flow.square[..., None] + excess * (flow.own_s * flow.own_s)[..., None]
    interruptions_s = interruption_spread_s(flow.step_s, flow.met_rate, flow.feedback, squares, mix.outputs)
    both_s = interruptions_s + swing_s / calm[..., None]
    prompts = decoding_steps(mix.outputs) * (flow.met_rate * flow.step_s)[..., None] + after.others
    # In steps that no prompt comes into there are a request and as many others as at any time.
    others = flow.batch + _fuller(steps, flow.batch)
    calm_s = (steps.steady.decode_step_s + steps.slope_s * (others + 1.0 - least))[..., None]
    least_s, most_s = steps.steady.decode_step_s[..., None], steps.most_s[..., None]
    none = chance_of_a_gap(mix.arrival_scv, prompts)
    # None of those that a prompt interrupts takes longer than most_s on average.
    mean_s = np.minimum(step_s + more_s, none * calm_s + (1.0 - none) * most_s)
    # Between two bounds the variance is at most the product of the mean's distances to them (Bhatia and Davis, 2000).
    spread_square = np.minimum(both_s * both_s + more_square, (most_s - mean_s) * (mean_s - least_s))
    return TokenTimes(
        mean_s=mean_s,
        spread_s=np.sqrt(spread_square + (JITTER * JITTER) * (mean_s * mean_s)),
        calm=none,
        calm_s=calm_s,
        calm_spread_s=np.hypot(swing_s, JITTER * calm_s),
        most_s=most_s,
    )


def _dispersion(steps: Steps, flow: _Flow, mix: Mix) -> Array:
    """Variance over mean of the sequences in the batch, which prompts let join it and which slow each other down."""
    joining = joining_dispersion(_coming(steps, flow, mix), flow.feedback, scv(flow.own_s, flow.square))
    elastic = _elasticity(steps.slope_s, flow.batch, flow.step_s * (1.0 - flow.feedback))
    return batch_dispersion(elastic, joining, mix.overlap)


def _coming(steps: Steps, flow: _Flow, mix: Mix) -> Array:
    """Variance over mean of the requests that come to a part of a pipeline in a stay: bursts spread over all parts."""
    whole = arrival_dispersion(mix.arrival_scv, flow.batch * steps.stages)
    return np.asarray(1.0 + (whole - 1.0) / steps.stages)


def _after(steps: Steps, flow: _Flow, step_s: Array, mix: Mix) -> tuple[After, Array, Array]:
    """The prompts that come after a request beyond those of any time, and by how many seconds they prolong its steps:
    mean and variance, (..., buckets).

    Of its burst come those within its stay, which the more of them come the longer lasts.
    """
    bursts, rate = mix.arrival_scv - 1.0, flow.met_rate[..., None]
    own_s = flow.each_s[..., mix.prompt_of]
    behind = behind_its_prompt(flow.met_rate, own_s, flow.square, flow.feedback)
    # Prompts that other parts of a pipeline have in work by then: those that come in a residual of one, on average.
    underway = (flow.met_rate - steps.rate) * flow.square / (2.0 * flow.own_s)
    behind = behind + underway[..., None]
    after = After(np.zeros(1), behind)
    found = prompts_after(flow.own_s, flow.square, after, flow.feedback, mix.outputs)
    for _ in range(_STAYS if mix.in_bursts else 0):
        stay = rate * decoding_steps(mix.outputs) * (step_s + found[0]) + behind
        after = After(bursts * of_burst(stay) / 2.0, behind)
        found = prompts_after(flow.own_s, flow.square, after, flow.feedback, mix.outputs)
    return after, *found
