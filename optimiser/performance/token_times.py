"""How the time per output token differs between requests: the spread behind its percentile.

A request's time per output token is its decoding time over its output tokens. It is taken as normal around
the mean step, with a spread that depends on the request's length, since short answers average over less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import LARGEST_ELASTICITY, Flags, normal_cdf

# Engine jitter alone: p99 is 1.1 × the mean (MLPerf Inference server logs), and z(0.99) is 2.3263.
JITTER = 0.1 / 2.3263
_BISECTIONS = 24
_LEAST_SHARE, _LARGEST_SHARE = 1e-12, 0.95


class TokenTimes(NamedTuple):
    """Seconds of the mean step, (...,), and the spread of the time per step of each output, (..., outputs)."""

    step_s: Array
    spread_s: Array


def batch_swing(batch: Array, elasticity: Array) -> Array:
    """Relative spread of the step from the batch's own ups and downs.

    Arrivals are Poisson and requests leave at B / (output·t(B)). Linearised around the mean the number of
    sequences has variance B / (1 − ε), with ε = d ln t / d ln B, and the step follows it with elasticity ε:
    ε / √(B·(1 − ε)). It changes about as slowly as requests leave, so one request sees one state of it.
    """
    bounded = np.clip(elasticity, 0.0, LARGEST_ELASTICITY)
    return np.asarray(bounded / np.sqrt(np.maximum(batch, 1.0) * (1.0 - bounded)))


def token_spread_s(
    step_s: Array,
    swing: Array,
    rate: Array,
    prefill_share: Array,
    interruption_square: Array,
    outputs: Array,
) -> Array:
    """Standard deviation of the time per step's tokens, in seconds, of each bucket: (..., buckets).

    step_s, swing, rate (requests/s), prefill_share (of time) and interruption_square (mean square of the
    seconds by which a prompt prolongs the steps it is in) are (...,), outputs in steps (..., buckets).
    The prompts that come in during one step prolong the next, by which more come in: steps follow an AR(1)
    process with coefficient ρ = prefill_share and innovations of variance λ·t·E[Δ²]. Its mean over n tokens
    has the variance λ·t·E[Δ²] / (1 − ρ²) · (n·(1 + ρ)/(1 − ρ) − 2ρ·(1 − ρⁿ)/(1 − ρ)²) / n² (any textbook on
    time series). Batch swing and engine jitter add to that.
    """
    n = np.maximum(outputs - 1.0, 1.0)
    share = np.clip(prefill_share, _LEAST_SHARE, _LARGEST_SHARE)[..., None]
    calm = 1.0 - share
    forgotten = -np.expm1(n * np.log(share))
    memory = (n * (1.0 + share) - 2.0 * share * forgotten / calm) / (n * n * calm)
    interruptions = (rate * step_s * interruption_square)[..., None] / (1.0 - share * share) * memory
    steady = step_s * step_s * (swing * swing + JITTER * JITTER)
    return np.asarray(np.sqrt(interruptions + steady[..., None]))


def meets_tpot(step_s: Array, spread_s: Array, shares: Array, limit_s: float, quantile: float) -> Flags:
    """Whether the time per output token is within limit_s at `quantile` over the mix; shapes as above."""
    return np.asarray(_within(step_s, spread_s, shares, np.asarray(limit_s)) >= quantile)


def tpot_quantile_s(step_s: Array, spread_s: Array, shares: Array, quantile: float) -> Array:
    """Time per output token in seconds at `quantile` over the mix, by bisection; shapes as above."""
    widest = spread_s.max(axis=-1) * 8.0
    low, high = np.maximum(step_s - widest, 0.0), step_s + widest
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        short = _within(step_s, spread_s, shares, middle) < quantile
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(high)


def _within(step_s: Array, spread_s: Array, shares: Array, limit_s: Array) -> Array:
    return np.asarray((normal_cdf((limit_s - step_s)[..., None] / spread_s) * shares).sum(axis=-1))
