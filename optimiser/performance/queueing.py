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
# Six to eight do for most, some thirty for bursts of a hundred thousand; each step that is nearly none ends it.
_NEWTON_STEPS, _NEWTON_CLOSE = 60, 1e-9
# Service that is always the same is taken to vary so little.
_LEAST_VARIATION = 1e-3
# Where the step grows all but as fast as the batch, nothing in linear theory holds it: stop short of that.
LARGEST_ELASTICITY = 0.95


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Waiting before the own prefill starts, in seconds; arrays over operating points.

    residual_s is always waited (the step under way when the request arrives, and what prompts behind it add to its
    last step). With probability queued the
    prefill queue adds an exponential of mean queue_s; with probability blocked, a wait for a place in
    the batch adds an exponential of mean place_s.
    """

    residual_s: Array
    queued: Array
    queue_s: Array
    blocked: Array
    place_s: Array


def prefill_queue(
    rate: Array, service_s: Array, service_square: Array, arrival_scv: float, pool: float = 1.0
) -> tuple[Array, Array]:
    """GI/G/1: the probability of waiting, and the mean wait in seconds of those who wait.

    rate is in requests/s, service_s and service_square are E[S] and E[S²], arrival_scv = a the squared coefficient of
    variation of the gaps between requests: 1 for Poisson arrivals, never taken for less; of `pool` servers each gets a
    request of one stream with the same chance.

    A share σ waits, that of exponential service (_waiting_share), for E[S]·(w + (1 − w)·(1 + v)/2) / (1 − σ), v being
    the squared variation of service and w the part of it that one who waits has before it whole, as in a burst, not
    what is left of it as met at random. For Poisson arrivals σ is the load ρ and w is 0 (Pollaczek–Khinchine), for
    exponential service w is nothing (both exact); w is (a − 1) / (a + 1) in heavy traffic (Kingman, 1961), and
    (σ − ρ) / (σ(1 − ρ)), which is the same there, is 1 at hardly any load. What waits longer of the two is taken.
    A server at or past full load waits for ever.
    """
    load = np.minimum(rate * service_s, 1.0)
    scv = max(arrival_scv, 1.0)
    spare = 1.0 - (_waiting_share(load, scv, pool) if scv > 1.0 else load)
    part = (scv - 1.0) / (scv + 1.0)
    clumped = np.maximum((1.0 - load - spare) / np.maximum((1.0 - spare) * (1.0 - load), 1e-12), part)
    met = service_square / np.maximum(2.0 * service_s, 1e-12)
    before = np.maximum(met + part * (service_s - met), met + clumped * (service_s - met))
    with np.errstate(divide="ignore"):
        wait = np.where(load < 1.0, before / spare, np.inf)
    return np.asarray(1.0 - spare), np.asarray(wait)


def _waiting_share(load: Array, arrival_scv: float, pool: float) -> Array:
    """The share σ of requests that wait for one of `pool` servers with exponential service at that load.

    GI/M/1 has σ = E[e^(−µ(1 − σ)A)] below 1 (Kleinrock, "Queueing Systems" I, 1975, 6.4). Gaps of the whole stream are
    Gamma-distributed, with g = (1 + (1 − σ)·s/(nρ))^(−1/s), s = 1 + n·(a − 1), in the place of the mean. A server of n
    gets a geometric number of them, so g = nσ / (1 + (n − 1)·σ). By Newton's method over y = −ln σ, in which s·ln of
    the latter g over the former is concave: from −ln ρ, which is at least the root, it comes down without passing it.
    """
    stream, others = 1.0 + pool * (arrival_scv - 1.0), 1.0 - 1.0 / pool
    clump = stream / np.maximum(load * pool, 1e-12)
    root = -np.log(np.maximum(load, 1e-12))
    for _ in range(_NEWTON_STEPS):
        share = np.exp(-root)
        alone, queues = 1.0 - others * (1.0 - share), 1.0 + clump * (1.0 - share)
        above = np.log(queues) - stream * (root + np.log(alone))
        slope = share * (clump / queues + stream * others / alone) - stream
        step = np.divide(above, slope, out=np.zeros_like(root), where=slope < 0.0)
        root = np.maximum(root - step, 0.0)
        if np.all(step < _NEWTON_CLOSE):
            break
    return np.asarray(np.exp(-root))


def batch_places(
    rate: Array,
    full_rate: Array,
    busy: Array,
    places: Array,
    variation: Array,
    elasticity: Array,
    dispersion: Array,
    arrival_scv: float,
) -> tuple[Array, Array]:
    """Waiting for a place: the probability that all are taken, and the mean wait in s of those who wait.

    rate is in requests/s, full_rate what the batch would serve with all `places` taken, of which `busy` are on average.
    variation and arrival_scv are squared coefficients of variation of a request's work and of the gaps between
    requests, dispersion that of the requests that join the batch per step (variance over mean; 1 for Poisson ones).

    A batch whose step grows as 1 − ε + ε·n/B (ε = elasticity, B = busy) has one request more with odds
    r(n) = ε + (1 − ε)·B/n: a negative binomial number, Poisson for ε = 0. Its chance of K over that of B, with sums
    taken for integrals, is e^(−D), D = −∫ ln r from B to K; with β = √(2D/z), z = dispersion, the probability is
    Erlang C's in Halfin and Whitt's limit (Operations Research 29, 1981), 1 / (1 + (1 − ρ)·√(v/z)·Φ(β)/φ(β)), where
    v = K / (1 − ε(K)) and ρ = rate / full_rate (Whitt, Operations Research 52, 2004, has z so for clumped arrivals).

    The wait is that of M/M/K, exponential with mean 1 / (full_rate − rate), times (a + variation) / 2 (Allen and
    Cunneen), which is heavy traffic's; with even work it is longer before that, by Cosmetatos's
    1 + min(0.24, (1 − ρ)·(K − 1)·(√(4 + 5K) − 2) / (16·K·ρ)) (1976; in Whitt, "Approximations for the GI/G/m Queue",
    Production and Operations Management 2, 1993), of which uneven work has the part 1 − variation.
    """
    slower = np.clip(elasticity, _LEAST_VARIATION, LARGEST_ELASTICITY)
    busy = np.maximum(busy, 1e-12)
    fuller = np.maximum(places / busy, 1.0)
    at_full = slower * fuller / (1.0 - slower + slower * fuller)
    likely = np.maximum(_log_odds(busy * fuller, busy, slower) - _log_odds(busy, busy, slower), 0.0)
    beta = np.sqrt(2.0 * likely / dispersion)
    capped = np.minimum(beta, 8.0)
    density = np.exp(-capped * capped / 2) / np.sqrt(2 * np.pi)
    load = np.clip(rate / np.maximum(full_rate, 1e-12), 1e-12, 1.0)
    spread = np.sqrt(places / ((1.0 - at_full) * dispersion))
    blocked = 1.0 / (1.0 + (1.0 - load) * spread * normal_cdf(capped) / density)
    even = (1.0 - load) * (places - 1.0) * (np.sqrt(4.0 + 5.0 * places) - 2.0) / (16.0 * places * load)
    longer = 1.0 + np.clip(even, 0.0, 0.24) * np.maximum(1.0 - variation, 0.0)
    wait = longer * (max(arrival_scv, 1.0) + variation) / 2.0
    served = (full_rate > rate) & (places > busy)
    blocked = np.where(beta > 8.0, 0.0, np.where(served, blocked, 1.0))
    mean = np.where(served, wait / np.maximum(full_rate - rate, 1e-12), np.inf)
    return blocked, np.where(blocked > 0.0, mean, 0.0)


def _log_odds(batch: Array, busy: Array, elasticity: Array) -> Array:
    """The integral of −ln(ε + (1 − ε)·B/n) over n, at n = batch."""
    odds = elasticity * batch + (1.0 - elasticity) * busy
    return np.asarray(batch * np.log(batch) - batch - odds * (np.log(odds) - 1.0) / elasticity)


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
