"""How the time per output token differs between requests: the spread behind its percentile.

A request's time per output token is its decoding time over its output tokens. Of the requests in whose steps no prompt
comes it is log-normal around a decode step, of the others around what is left of the mean of all, with a spread that
depends on the request's length, since short answers average over less: batches and queues of prompts swing further up
than down (a normal is up to a third too short at simulated engines' p99, one log-normal for both parts too wide at the
median). Prompts come at any time, and more of them right after a request's own: those that came while it was in work.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import Flags, normal_cdf

# Engine jitter alone: p99 is 1.1 × the mean (MLPerf Inference server logs), and z(0.99) is 2.3263: of a log-normal
# spread w that is e^(z·w − w²/2).
JITTER = math.sqrt(math.expm1((2.3263 - math.sqrt(2.3263**2 - 2.0 * math.log(1.1))) ** 2))
_BISECTIONS = 24
_LEAST_SHARE = 1e-12


class TokenTimes(NamedTuple):
    """Mean and spread in seconds of the time per step that requests of each bucket see; of them a share `calm` in
    whose steps no prompt comes, and of those alone; and the longest there is. All (..., buckets).
    """

    mean_s: Array
    spread_s: Array
    calm: Array
    calm_s: Array
    calm_spread_s: Array
    most_s: Array


def behind_its_prompt(rate: Array, its_own_s: Array, square: Array, feedback: Array) -> Array:
    """Requests that come while the step lasts that a request's own prompt is in, beyond those of any step on average:
    theirs are in its next. its_own_s are the seconds Δ by which the prompts of those requests prolong their steps,
    (..., buckets); rate in requests/s, square, E[Δ²] over all requests, and feedback are (...,).

    The step before, in which a request comes, is Var S / E[S] = λ·E[Δ²] / (1 − p²) longer than the mean (length-biased;
    steps as in interruption_spread_s), its own p times that and Δ.
    """
    met = feedback * rate * square / (1.0 - feedback * feedback)
    return np.asarray(rate[..., None] * (its_own_s + met[..., None]))


class After(NamedTuple):
    """Prompts that come after a request, beyond those that come in any time as long: followers of its own burst, and
    others; both (..., buckets).
    """

    followers: Array
    others: Array


def prompts_after(
    own_s: Array, square: Array, after: After, feedback: Array, outputs: Array
) -> tuple[Array, Array]:
    """Seconds per step by which those prompts prolong a request's steps, and their variance, (..., buckets); own_s and
    square, E[Δ] and E[Δ²] over all requests, and feedback are (...,), outputs in steps (..., buckets).

    Gaps with squared coefficient of variation a bring (a − 1)/2 followers (renewal theory: Cox, "Renewal Theory", 1962,
    4.2), a geometric number, the others are Poisson's. With means m and k they add up to (m + k)·E[Δ], with variance
    (m + k)·E[Δ²] + 2m²·E[Δ]²; m² counts twice for the part of a burst that comes within a stay, which varies (judged by
    simulated engines). While they last more prompts come: such a busy period is
    1 / (1 − p) times as long, its variance 1 / (1 − p)³ times that for each that begins it (Kleinrock, "Queueing
    Systems" I, 1975, 5.8).
    """
    calm, each = 1.0 - feedback, 1.0 / decoding_steps(outputs)
    mean, number = (own_s / calm)[..., None] * each, after.followers + after.others
    variance = (square / calm**3)[..., None] * (each * each) * number + 2.0 * (after.followers * mean) ** 2
    return np.asarray(number * mean), np.asarray(variance)


def decoding_steps(outputs: Array) -> Array:
    """Steps that a request decodes for after its first token; one where there is none."""
    return np.maximum(outputs - 1.0, 1.0)


def interruption_spread_s(
    step_s: Array, rate: Array, feedback: Array, interruption_square: Array, outputs: Array
) -> Array:
    """Standard deviation of the mean step that requests of each bucket see, in seconds, from the prompts that come in:
    (..., buckets).

    step_s, rate (requests/s) and feedback are (...,), interruption_square (mean square of the seconds by which a prompt
    prolongs the steps it is in) and outputs in steps (..., buckets).
    The prompts that come in during one step prolong the next, by which more come in: steps follow an AR(1)
    process with coefficient ρ = feedback and innovations of variance λ·t·E[Δ²]. Its mean over n steps
    has the variance λ·t·E[Δ²] / (1 − ρ²) · (n·(1 + ρ)/(1 − ρ) − 2ρ·(1 − ρⁿ)/(1 − ρ)²) / n² (any textbook on
    time series).
    """
    n = decoding_steps(outputs)
    share = np.maximum(feedback, _LEAST_SHARE)
    each = rate * step_s / (1.0 - share) ** 2
    remembered = 2.0 * share / (1.0 - share * share) * each
    memory = (each[..., None] + remembered[..., None] * np.expm1(n * np.log(share)[..., None]) / n) / n
    return np.asarray(np.sqrt(interruption_square * memory))


def meets_tpot(times: TokenTimes, shares: Array, limit_s: float, quantile: float) -> Flags:
    """Whether the time per output token is within limit_s at `quantile` over the buckets with those shares."""
    within = _within(_parts(times, shares), np.log(limit_s)) >= quantile
    return np.asarray(within | (limit_s >= _most_s(times, quantile)))


def tpot_quantile_s(times: TokenTimes, shares: Array, quantile: float) -> Array:
    """Time per output token in seconds at `quantile` over the mix, by bisection; shapes as above."""
    parts = _parts(times, shares)
    low = np.min([(part.middle - 8.0 * part.width).min(axis=-1) for part in parts], axis=0)
    high = np.max([(part.middle + 8.0 * part.width).max(axis=-1) for part in parts], axis=0)
    for _ in range(_BISECTIONS):
        limit = (low + high) / 2
        short = _within(parts, limit) < quantile
        low, high = np.where(short, limit, low), np.where(short, high, limit)
    return np.asarray(np.minimum(np.exp(high), _most_s(times, quantile)))


def _most_s(times: TokenTimes, quantile: float) -> Array:
    """The longest steps' quantile, which differ by the engine's jitter."""
    jitter = each_quantile_s(np.ones(()), np.full((), JITTER), max(NormalDist().inv_cdf(quantile), 0.0))
    return np.asarray(np.maximum(times.most_s, times.calm_s).max(axis=-1) * jitter)


def each_quantile_s(mean_s: Array, spread_s: Array, deviations: float) -> Array:
    """So many standard deviations (of its logarithm) up, for each of log-normal times; shapes alike."""
    middle, width = _logarithms(mean_s, spread_s)
    return np.asarray(np.exp(middle + deviations * width))


class _Part(NamedTuple):
    """A part of the requests: log-normal times, and shares of all; (..., buckets)."""

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
