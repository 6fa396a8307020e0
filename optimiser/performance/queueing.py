"""How long a request waits for its first token, as a distribution.

A prompt waits for two things: a free place in the batch, and the prompts ahead of it in the prefill queue.
Both waits are 0 with some probability and exponential otherwise, which is exact for M/M servers and the
usual tail approximation for M/G ones (Tijms, "A First Course in Stochastic Models", 2003, 9.2 and 9.6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.layouts import Array

Flags = NDArray[np.bool_]

_BISECTIONS = 24
_ROOT_BISECTIONS = 40
# Service that is always the same is taken to vary so little.
_LEAST_VARIATION = 1e-3
# Where the step grows all but as fast as the batch, nothing in linear theory holds it: stop short of that.
LARGEST_ELASTICITY = 0.95


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Waiting before the own prefill starts, in seconds; arrays over operating points.

    residual_s is always waited (the step under way when the request arrives). With probability queued the
    prefill queue adds an exponential of mean queue_s; with probability blocked, a wait for a place in
    the batch adds an exponential of mean place_s.
    """

    residual_s: Array
    queued: Array
    queue_s: Array
    blocked: Array
    place_s: Array


def prefill_queue(
    rate: Array, service_s: Array, service_square: Array, arrival_scv: float
) -> tuple[Array, Array]:
    """GI/G/1: the probability of waiting, and the mean wait in seconds of those who wait.

    rate is in requests/s, service_s and service_square are E[S] and E[S²], arrival_scv the squared coefficient
    of variation of the gaps between requests: 1 for Poisson arrivals, never taken for less. Pollaczek–Khinchine
    gives Poisson arrivals W = λE[S²] / (2(1 − ρ)) over all requests, of whom a share ρ = λE[S] waits. Where
    arrivals clump, so that long waits die out r times as slowly, those who wait do so 1/r times as long, and
    1 − (1 − ρ)·r of all wait (exact for exponential service). A server at or past full load waits for ever.
    """
    load = np.minimum(rate * service_s, 1.0)
    spare = 1.0 - load
    slowness = _slowness(rate, service_s, service_square, arrival_scv) if arrival_scv > 1.0 else 1.0
    with np.errstate(divide="ignore"):
        wait = np.where(spare > 0, service_square / (2.0 * np.maximum(service_s, 1e-12) * spare), np.inf)
    return np.asarray(1.0 - spare * slowness), np.asarray(wait / slowness)


def _slowness(rate: Array, service_s: Array, service_square: Array, arrival_scv: float) -> Array:
    """How slowly waits die out with clumped arrivals against Poisson ones, above 0 and at most 1.

    P(wait > x) falls as e^(−ηx), η being the root of E[e^(ηS)]·E[e^(−ηA)] = 1 (Kingman's exponent), here with
    Gamma distributions of the given moments for service S and gaps A; found by bisection.
    """
    rate = np.maximum(rate, 1e-12)
    square = service_square / np.maximum(service_s * service_s, 1e-24) - 1.0
    variation = np.maximum(square, _LEAST_VARIATION)
    most = (1.0 - 1e-9) / (variation * np.maximum(service_s, 1e-12))

    def exponent(scv: float) -> Array:
        low, high = np.zeros_like(most), most
        for _ in range(_ROOT_BISECTIONS):
            middle = (low + high) / 2
            growth = -np.log1p(-middle * variation * service_s) / variation
            below = growth < np.log1p(middle * scv / rate) / scv
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return high

    return np.asarray(np.minimum(exponent(arrival_scv) / exponent(1.0), 1.0))


def batch_places(
    busy: Array,
    places: Array,
    residence_s: Array,
    variation: Array,
    elasticity: Array,
    arrival_scv: float,
) -> tuple[Array, Array]:
    """Waiting for a place: the probability that all are taken, and the mean wait in s of those who wait.

    M/G/K with `busy` of `places` taken on average, each for residence_s with squared coefficient of variation
    `variation`. The probability is Halfin and Whitt's limit of Erlang C (Operations Research 29, 1981),
    1 / (1 + β·Φ(β)/φ(β)) with β = (K − B)/√K, which is on the safe side for small K. The wait is that of
    M/M/K, exponential with mean residence / (K − B), times (a + variation) / 2 (Allen and Cunneen), a being the
    squared coefficient of variation of the gaps between requests. Clumped arrivals keep (1 + a)/2 times the
    variance of Poisson ones in the batch, their peakedness (Eckberg, 1983; for exponential residence).

    A fuller batch takes longer steps, t ~ B^ε with ε = elasticity: it swings with variance K / (1 − ε), and
    places come free at (K − B)·(1 − ε) / residence beyond the arrivals.
    """
    rigid = 1.0 - np.clip(elasticity, 0.0, LARGEST_ELASTICITY)
    spare = np.maximum(places - busy, 0.0)
    arrival_scv = max(arrival_scv, 1.0)
    peakedness = (1.0 + arrival_scv) / 2.0
    beta = spare * np.sqrt(rigid / np.maximum(places * peakedness, 1e-9))
    capped = np.minimum(beta, 8.0)
    density = np.exp(-capped * capped / 2) / np.sqrt(2 * np.pi)
    blocked = 1.0 / (1.0 + capped * normal_cdf(capped) / density)
    wait = residence_s * (arrival_scv + variation) / 2
    with np.errstate(divide="ignore"):
        mean = np.where(spare > 0, wait / np.maximum(spare * rigid, 1e-12), np.inf)
    return np.where(beta > 8.0, 0.0, blocked), mean


def mean_wait_s(wait: Wait) -> Array:
    """The mean of the waits over all requests, in seconds (inf past full load)."""
    return np.asarray(wait.residual_s + wait.queued * wait.queue_s + wait.blocked * wait.place_s)


def without_place_wait(wait: Wait) -> Wait:
    """The same waits if there were always a free place in the batch."""
    zero = np.zeros_like(wait.blocked)
    return replace(wait, blocked=zero, place_s=zero)


def without_wait(wait: Wait) -> Wait:
    """No waits at all: what is left of TTFT is the own prefill."""
    zero = np.zeros_like(wait.blocked)
    return Wait(residual_s=zero, queued=zero, queue_s=zero, blocked=zero, place_s=zero)


def scaled(wait: Wait, factor: Array) -> Wait:
    """Every wait `factor` times as long, as likely as before."""
    return replace(
        wait,
        residual_s=wait.residual_s * factor,
        queue_s=wait.queue_s * factor,
        place_s=wait.place_s * factor,
    )


def wait_exceeds(wait: Wait, seconds: Array) -> Array:
    """P(waiting time > seconds), broadcasting; 1 where even the residual step is longer than that.

    With a, α the probability and rate of the one wait and c, γ those of the other (independent):
    a(1 − c)e^{−αx} + c(1 − a)e^{−γx} + ac·(γe^{−αx} − αe^{−γx})/(γ − α).
    """
    left = seconds - wait.residual_s
    x = np.maximum(left, 0.0)
    alpha = 1.0 / np.maximum(wait.queue_s, 1e-9)
    gamma = 1.0 / np.maximum(wait.place_s, 1e-9)
    # Equal rates are the limit of nearby ones.
    gamma = np.where(np.abs(gamma - alpha) <= 1e-6 * alpha, gamma * (1 + 1e-5) + 1e-9, gamma)
    first, second = np.exp(-alpha * x), np.exp(-gamma * x)
    both = (gamma * first - alpha * second) / (gamma - alpha)
    queued, blocked = wait.queued, wait.blocked
    tail = queued * (1 - blocked) * first + blocked * (1 - queued) * second + queued * blocked * both
    return np.where(left < 0, 1.0, np.clip(tail, 0.0, 1.0))


def meets_ttft(wait: Wait, own_s: Array, shares: Array, limit_s: float, quantile: float) -> Flags:
    """Whether TTFT ≤ limit at `quantile` over the mix: Σ share·P(wait ≤ limit − own prefill) ≥ q.

    own_s is (..., buckets), shares (buckets,), the waits (...,). Result (...,), bool.
    """
    late = wait_exceeds(_per_bucket(wait), limit_s - own_s)
    return np.asarray((late * shares).sum(axis=-1) <= 1.0 - quantile + 1e-12)


def each_meets_ttft(wait: Wait, own_s: Array, limit_s: float, quantile: float) -> Flags:
    """Whether every bucket's own TTFT ≤ limit at `quantile`; shapes as in meets_ttft."""
    # All buckets wait in one queue, so the one with the longest own prefill decides.
    return np.asarray(wait_exceeds(wait, limit_s - own_s.max(axis=-1)) <= 1.0 - quantile + 1e-12)


def wait_quantile(wait: Wait, quantile: float) -> Array:
    """Waiting time in seconds that a share `quantile` of requests does not exceed (inf past full load)."""
    return mix_quantile(wait, np.zeros((*np.shape(wait.residual_s), 1)), np.ones(1), quantile)


def mix_quantile(wait: Wait, own_s: Array, shares: Array, quantile: float) -> Array:
    """TTFT in seconds at `quantile` over the mix, by bisection; shapes as in meets_ttft."""
    low = wait.residual_s + own_s.min(axis=-1)
    mean = wait.queue_s * (wait.queued > 0) + wait.place_s * (wait.blocked > 0)
    finite = np.isfinite(mean)
    tail = -2.0 * np.log1p(-quantile) * np.where(finite, mean, 0.0)
    high = wait.residual_s + own_s.max(axis=-1) + tail + 1e-6
    spread = _per_bucket(wait)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        late = (wait_exceeds(spread, middle[..., None] - own_s) * shares).sum(axis=-1) > 1.0 - quantile
        low, high = np.where(late, middle, low), np.where(late, high, middle)
    return np.where(finite, high, np.inf)


def _per_bucket(wait: Wait) -> Wait:
    return Wait(
        residual_s=wait.residual_s[..., None],
        queued=wait.queued[..., None],
        queue_s=wait.queue_s[..., None],
        blocked=wait.blocked[..., None],
        place_s=wait.place_s[..., None],
    )


def normal_cdf(x: Array) -> Array:
    """Φ(x) by Abramowitz and Stegun 26.2.17 (absolute error below 8e-8)."""
    size = np.abs(x)
    t = 1.0 / (1.0 + 0.2316419 * size)
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    above = np.exp(-size * size / 2) / np.sqrt(2 * np.pi) * series
    return np.asarray(np.where(x >= 0, 1.0 - above, above))
