"""How the time per output token differs between requests: the spread behind its percentile.

A request's time per output token is its decoding time over its output tokens. Of the requests in whose steps no prompt
comes it is log-normal around a decode step, of the others around what is left of the mean of all, with a spread that
depends on the request's length, since short answers average over less: batches and queues of prompts swing further up
than down (a normal is up to a third too short at simulated engines' p99, one log-normal for both parts too wide at the
median). Prompts come at any time, and more of them right after a request's own: those that came while it was in work.

Requests that come in bursts see more than the mean step: those they came with are in the batch, and have prompts, which
share steps and cost more there than alone: the first of a step is processed while the weights are read anyway.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import LARGEST_ELASTICITY, Flags, normal_cdf

# Engine jitter alone: p99 is 1.1 × the mean (MLPerf Inference server logs), and z(0.99) is 2.3263: of a log-normal
# spread w that is e^(z·w − w²/2).
_AT_MOST = 1.1
JITTER = math.sqrt(math.expm1((2.3263 - math.sqrt(2.3263**2 - 2.0 * math.log(_AT_MOST))) ** 2))
_BISECTIONS = 24
_LEAST_SHARE, _LARGEST_SHARE = 1e-12, 0.95


class TokenTimes(NamedTuple):
    """Mean and spread in seconds of the time per step that requests with each output see; of them a share `calm` in
    whose steps no prompt comes, and of those alone; and the longest there is. All (..., outputs).
    """

    mean_s: Array
    spread_s: Array
    calm: Array
    calm_s: Array
    calm_spread_s: Array
    most_s: Array


def batch_swing(batch: Array, elasticity: Array, dispersion: Array | float) -> Array:
    """Relative spread of the step from the batch's own ups and downs.

    Requests leave at B / (output·t(B)). Linearised around the mean the number of sequences has variance
    z·B / (1 − ε), with ε = d ln t / d ln B and z the dispersion of arrivals (1 for Poisson ones), and the step follows
    it with elasticity ε; in logarithms, ε·√ln(1 + z / (B·(1 − ε))). It changes about as slowly as requests leave, so
    one request sees one state of it.
    """
    bounded = np.clip(elasticity, 0.0, LARGEST_ELASTICITY)
    return np.asarray(bounded * np.sqrt(np.log1p(dispersion / (np.maximum(batch, 1.0) * (1.0 - bounded)))))


def joined(batch: Array, elasticity: Array, decode_elasticity: Array, dispersion: Array | float) -> Array:
    """How many times the mean step requests see for those that joined the batch with them.

    Of a number with variance z·B / (1 − ε) those who are part of it see that over B more than the mean, of which the
    part of Poisson arrivals came with nobody: (z − 1) / (1 − ε). For those it is decoding that takes longer.
    """
    bounded = np.clip(elasticity, 0.0, LARGEST_ELASTICITY)
    more = (dispersion - 1.0) / (np.maximum(batch, 1.0) * (1.0 - bounded))
    return np.asarray((1.0 + more) ** np.clip(decode_elasticity, 0.0, 1.0))


def of_burst(batch: Array) -> Array:
    """Of those that a burst brings beside a request, the share that comes within its stay: batch are the requests that
    come in a stay on average.

    0.7·B^0.26, at most all: the renewal function of Gamma gaps at B mean gaps less B, over its limit (a − 1)/2, to
    within 0.18 for a of 4 to 16 (drawn).
    """
    return np.asarray(np.minimum(0.7 * np.maximum(batch, 1e-9) ** 0.26, 1.0))


def shared_steps(prompts: Array, bursts: float) -> tuple[Array, Array]:
    """How many prompts per step share one with an earlier one, beyond the mean ones that every step can take (above one
    per step), and which share of all prompts do; `prompts` is how many come in a step on average.

    bursts is the squared variation of gaps less 1. The number that comes in a step is taken as negative binomial with
    mean M and the variance z·M, z = 1 + bursts·of_burst(M): some come with probability 1 − z^(−M/(z − 1)), within 0.03
    of that of Gamma gaps up to one per step. Estimates without bursts leave out what Poisson arrivals share: that
    comes in with the bursts' part of the variance, whole from a squared variation of 2 on, so that nothing jumps at 1.
    """
    phase = min(bursts, 1.0)
    more = np.maximum(bursts * of_burst(prompts), 1e-9)
    some = -np.expm1(-prompts * np.log1p(more) / more)
    first = some + (1.0 - phase) * np.expm1(-prompts)
    return np.asarray(phase * np.minimum(prompts, 1.0) - first), np.asarray(phase - first / prompts)


def above_the_mean(swing: Array, elasticity: Array) -> Array:
    """Mean of the step over the step at the batch that a rate keeps going if nothing swings.

    As many requests leave as come, so that the mean of b^(1 − ε), which requests leave in proportion to, is that
    batch's, ε being the step's elasticity. Of a log-normal batch b with spread s the mean of b^ε, which the step is in
    proportion to, is then e^((2ε² − ε)·s²/2) of the batch's; s is swing/ε. Below ε = ½ it would be less than one, by
    hardly anything where a step swings little, and counts as one.
    """
    bounded = np.clip(elasticity, 0.5, LARGEST_ELASTICITY)
    return np.asarray(np.exp(swing * swing * (1.0 - 0.5 / bounded)))


def behind_its_prompt(rate: Array, own_s: Array, square: Array, prefill_share: Array) -> Array:
    """Requests that come while the step lasts that a request's own prompt is in, beyond those of any step on average:
    theirs are in its next. (...,), as are rate in requests/s and own_s and square, mean and mean square of the seconds
    Δ by which a prompt prolongs its step.

    The step before, in which a request comes, is Var S / E[S] = λ·E[Δ²] / (1 − p²) longer than the mean (length-biased;
    steps as in token_spread_s), its own p times that and Δ.
    """
    share = np.clip(prefill_share, 0.0, _LARGEST_SHARE)
    return np.asarray(rate * (own_s + share * rate * square / (1.0 - share * share)))


def prompts_after(
    own_s: Array,
    square: Array,
    of_its_burst: Array | float,
    others: Array,
    prefill_share: Array,
    outputs: Array,
) -> tuple[Array, Array]:
    """Seconds per step by which prompts that come after a request prolong its steps, beyond those that come in any time
    as long, and their variance, (..., outputs); own_s and square as above, prefill_share (...,).

    of_its_burst come on average after it in its burst: gaps with squared coefficient of variation a bring (a − 1)/2 of
    them (renewal theory: Cox, "Renewal Theory", 1962, 4.2), a geometric number, that of others is Poisson's. With means
    m and k they add up to (m + k)·E[Δ], with variance (m + k)·E[Δ²] + m²·E[Δ]². While they last more prompts come: such
    a busy period is 1 / (1 − p) times as long, its variance 1 / (1 − p)³ times that for each that begins it (Kleinrock,
    "Queueing Systems" I, 1975, 5.8).
    """
    calm = (1.0 - np.clip(prefill_share, 0.0, _LARGEST_SHARE))[..., None]
    per_step = 1.0 / (calm * decoding_steps(outputs))
    mean, number = own_s[..., None] * per_step, of_its_burst + others
    variance = number * square[..., None] * per_step * per_step / calm + (of_its_burst * mean) ** 2
    return np.asarray(number * mean), np.asarray(variance)


def decoding_steps(outputs: Array) -> Array:
    """Steps that a request decodes for after its first token; one where there is none."""
    return np.maximum(outputs - 1.0, 1.0)


def token_spread_s(
    step_s: Array,
    swing: Array,
    rate: Array,
    prefill_share: Array,
    interruption_square: Array,
    outputs: Array,
) -> Array:
    """Standard deviation of the time per step's tokens, in seconds, of each bucket: (..., buckets).

    step_s, swing, rate (requests/s) and prefill_share (of time) are (...,), interruption_square (mean square of the
    seconds by which a prompt prolongs the steps it is in) and outputs in steps (..., buckets).
    The prompts that come in during one step prolong the next, by which more come in: steps follow an AR(1)
    process with coefficient ρ = prefill_share and innovations of variance λ·t·E[Δ²]. Its mean over n tokens
    has the variance λ·t·E[Δ²] / (1 − ρ²) · (n·(1 + ρ)/(1 − ρ) − 2ρ·(1 − ρⁿ)/(1 − ρ)²) / n² (any textbook on
    time series). Batch swing and engine jitter add to that.
    """
    n = decoding_steps(outputs)
    share = np.clip(prefill_share, _LEAST_SHARE, _LARGEST_SHARE)[..., None]
    calm = 1.0 - share
    forgotten = -np.expm1(n * np.log(share))
    memory = (n * (1.0 + share) - 2.0 * share * forgotten / calm) / (n * n * calm)
    interruptions = (rate * step_s)[..., None] * interruption_square / (1.0 - share * share) * memory
    steady = step_s * step_s * (swing * swing + JITTER * JITTER)
    return np.asarray(np.sqrt(interruptions + steady[..., None]))


def meets_tpot(times: TokenTimes, shares: Array, limit_s: float, quantile: float) -> Flags:
    """Whether the time per output token is within limit_s at `quantile` over the outputs with those shares."""
    within = _within(_parts(times, shares), np.log(limit_s)) >= quantile
    return np.asarray(within | (limit_s >= _most_s(times)))


def tpot_quantile_s(times: TokenTimes, shares: Array, quantile: float) -> Array:
    """Time per output token in seconds at `quantile` over the mix, by bisection; shapes as above."""
    parts = _parts(times, shares)
    low = np.min([(part.middle - 8.0 * part.width).min(axis=-1) for part in parts], axis=0)
    high = np.max([(part.middle + 8.0 * part.width).max(axis=-1) for part in parts], axis=0)
    for _ in range(_BISECTIONS):
        limit = (low + high) / 2
        short = _within(parts, limit) < quantile
        low, high = np.where(short, limit, low), np.where(short, high, limit)
    return np.asarray(np.minimum(np.exp(high), _most_s(times)))


def _most_s(times: TokenTimes) -> Array:
    """What no request's time per step is over, but for the engine's jitter."""
    return np.asarray(np.maximum(times.most_s, times.calm_s).max(axis=-1) * _AT_MOST)


def each_quantile_s(mean_s: Array, spread_s: Array, deviations: float) -> Array:
    """So many standard deviations (of its logarithm) up, for each of log-normal times; shapes alike."""
    middle, width = _logarithms(mean_s, spread_s)
    return np.asarray(np.exp(middle + deviations * width))


class _Part(NamedTuple):
    """A part of the requests: log-normal times, and shares of all; (..., outputs)."""

    middle: Array
    width: Array
    shares: Array


def _parts(times: TokenTimes, shares: Array) -> tuple[_Part, _Part]:
    """The requests that no prompt interrupts, and the others, whose moments are what is left of those of all."""
    calm, rest = times.calm, np.maximum(1.0 - times.calm, _LEAST_SHARE)
    mean = np.maximum((times.mean_s - calm * times.calm_s) / rest, times.calm_s)
    square = times.mean_s**2 + times.spread_s**2 - calm * (times.calm_s**2 + times.calm_spread_s**2)
    spread = np.sqrt(np.maximum(square / rest - mean * mean, (JITTER * mean) ** 2))
    return (
        _Part(*_logarithms(times.calm_s, times.calm_spread_s), shares * calm),
        _Part(*_logarithms(mean, spread), shares * (1.0 - calm)),
    )


def _logarithms(mean_s: Array, spread_s: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the logarithm: a log-normal spread of c × its mean has w = √ln(1 + c²), and the
    mean is e^(w²/2) times the median.
    """
    square = np.log1p((spread_s / mean_s) ** 2)
    return np.log(mean_s) - square / 2.0, np.sqrt(square)


def _within(parts: tuple[_Part, ...], limit: Array) -> Array:
    at = np.asarray(limit)[..., None]
    each = (normal_cdf((at - part.middle) / part.width) * part.shares for part in parts)
    return np.asarray(sum(each, start=np.zeros(1)).sum(axis=-1))
