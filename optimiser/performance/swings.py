"""How a batch swings: prompts that come let more come in while they are processed, and all of them join the batch."""

from __future__ import annotations

import math

import numpy as np

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import LARGEST_ELASTICITY

# Prompts take more of the time than this in none but a batch that gets none of its tokens done.
LARGEST_FEEDBACK = 0.95
_LEAST = 1e-9


def of_burst(batch: Array) -> Array:
    """Of those that a burst brings beside a request, the share that comes within its stay: batch are the requests that
    come in a stay on average.

    0.7·B^0.26, at most all: the renewal function of Gamma gaps at B mean gaps less B, over its limit (a − 1)/2, to
    within 0.18 for a of 4 to 16 (drawn).
    """
    return np.asarray(np.minimum(0.7 * np.maximum(batch, _LEAST) ** 0.26, 1.0))


def shared_steps(without: Array, with_some: Array, bursts: float) -> tuple[Array, Array]:
    """Of the prompts, the share that shares a step with an earlier one, beyond the mean step's (all above one per
    step), and the chance of a prompt to be alone in its step.

    Those that come in a step are in the next one: without and with_some are how many do, on average, in a step without
    prompts and in one with them. A Markov chain of both has π = (1 − n₀) / (1 − n₀ + n₁) of its steps with prompts, n
    being the chances that none come; by time that is more.
    """
    none, alone = _none_and_alone(without, bursts)
    none_long, alone_long = _none_and_alone(with_some, bursts)
    long = (1.0 - none) / (1.0 - none + none_long)
    prompts = (1.0 - long) * without + long * with_some
    by_time = long * with_some / prompts
    shared = (np.minimum(prompts, 1.0) - long) / prompts
    return np.asarray(shared), np.asarray(alone + by_time * (alone_long - alone))


def _none_and_alone(prompts: Array, bursts: float) -> tuple[Array, Array]:
    """The chance that no prompt comes in steps that so many come in on average, and of one that comes to be the only
    one.

    bursts is the squared variation of gaps less 1. The number that comes is taken as negative binomial with mean M and
    the variance z·M, z = 1 + bursts·of_burst(M) (Poisson's for z = 1): none come with probability z^(−M/(z − 1)),
    within 0.03 of that of Gamma gaps up to one per step, and none beside one that comes with the zth part of that:
    P(N = 1) / M.
    """
    more = bursts * of_burst(prompts) if bursts else np.zeros(1)
    none = chance_of_none(prompts, more)
    return none, np.asarray(none / (1.0 + more))


def chance_of_none(mean: Array, more: Array) -> Array:
    """The chance of none of a negative binomial number with that mean and 1 + more times its variance."""
    if not more.any():
        return np.exp(-mean)
    more = np.maximum(more, _LEAST)
    return np.asarray(np.exp(mean * (-np.log1p(more) / more)))


def chance_of_a_gap(arrival_scv: float, requests: Array) -> Array:
    """The chance that no request comes for as long after one as `requests` come in on average.

    That of a Gamma gap of squared variation a to be longer, with k = 1/a: 1 − (1 − e^(−k·s·x))^k, s = Γ(1 + k)^(−a),
    at most a hundredth off (Alzer, "On some inequalities for the incomplete gamma function", Mathematics of Computation
    66, 1997, has it as a bound); Poisson's e^(−x) for a = 1.
    """
    shape = 1.0 / max(arrival_scv, 1.0)
    scale = shape * math.gamma(1.0 + shape) ** (-1.0 / shape)
    return np.asarray(1.0 - (-np.expm1(-scale * requests)) ** shape)


def arrival_dispersion(arrival_scv: float, batch: Array) -> Array:
    """Variance over mean of the number of requests that come in a stay, where `batch` do on average: in long ones the
    gaps' squared coefficient of variation (Cox, "Renewal Theory", 1962, 4.5), in short ones of what that has beyond 1
    of_burst's part; of Gamma gaps up to 14, 29 and 44 % more than drawn for 4, 9 and 16.
    """
    return np.asarray(1.0 + (arrival_scv - 1.0) * of_burst(batch)) if arrival_scv > 1.0 else np.ones(1)


def joining_dispersion(arriving: Array | float, feedback: Array, interruption_scv: Array) -> Array:
    """Variance over mean of the number of requests that join the batch while it decodes for some time.

    While prompts are processed more come in, each of which brings p = feedback others on average: n that come in a time
    that decodes τ are λτ / (1 − p), with variance (a + p²·c²) / (1 − p)² times that, a being the same of those that
    arrive in any such time (arriving; in the long run their gaps' squared coefficient of variation) and c² the squared
    coefficient of variation of interruptions (the total progeny of a branching process: Kleinrock, "Queueing Systems"
    I, 1975, 5.8, has that of a busy period).
    """
    return np.asarray((arriving + feedback**2 * interruption_scv) / (1.0 - feedback) ** 2)


def batch_dispersion(elasticity: Array, dispersion: Array, overlap: Array) -> Array:
    """Variance over mean of the number of sequences in the batch.

    Requests leave at B / (output·t(B)). Linearised around the mean B the number has variance z·B / (1 − ε), with ε = d
    ln t / d ln B of the step without what prompts add, and z the dispersion of those that join: 1 for Poisson ones,
    beyond which those that join together count for as much of their stay as they are there together.
    """
    bounded = np.clip(elasticity, 0.0, LARGEST_ELASTICITY)
    return np.asarray((1.0 + (dispersion - 1.0) * overlap) / (1.0 - bounded))


def parts_in_the_way(chunks: Array, stages: Array) -> Array:
    """Of how many parts of a pipeline the prompts prolong the steps of each; `chunks` come into a pass on average.

    Parts cannot overtake: a pass with a prompt holds up all of them by as long as itself, several at once by as long as
    the longest. The most of n numbers is n means at most, and deviations_of_the_most above it, the mean's root each.
    """
    several = deviations_of_the_most(stages) / np.sqrt(np.maximum(chunks, _LEAST))
    return np.asarray(np.minimum(1.0 + several, stages))


def passes(own: Array, grown: Array, added: Array, chunks: Array, stages: Array) -> Array:
    """How many times as long a pass takes in which `added` is more than in the one that it is measured by.

    own is the part of that one which its prompts take, and `chunks` their number, grown the part by which its batch
    makes it longer; both grow with it: t = 1 + added + own·(w(t)·t − 1) + grown·(t − 1), where w = parts_in_the_way at
    chunks·t. With w = min(1 + h/√(chunks·t), stages) it is the lesser root of one equation that is linear in t and one
    that is quadratic in √t. No root is beyond what LARGEST_ELASTICITY leaves.
    """
    alone = np.maximum(1.0 - own - grown, 1.0 - LARGEST_ELASTICITY)
    rest = alone + added
    half = own * deviations_of_the_most(stages) / (2.0 * np.sqrt(np.maximum(chunks, _LEAST)))
    several = ((half + np.sqrt(half * half + alone * np.maximum(rest, 0.0))) / alone) ** 2
    of_all = alone - own * (stages - 1.0)
    most = np.divide(rest, of_all, out=np.full_like(several, np.inf), where=of_all > 0.0)
    return np.asarray(np.minimum(several, most))


def deviations_of_the_most(numbers: Array) -> Array:
    """How many standard deviations the most of so many numbers is above their mean, at most: (n − 1) / √(2n − 1)
    (Hartley and David, Annals of Mathematical Statistics 25, 1954).
    """
    return np.asarray((numbers - 1.0) / np.sqrt(2.0 * numbers - 1.0))
