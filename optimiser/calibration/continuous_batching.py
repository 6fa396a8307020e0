"""Continuous batching of requests of one prompt size, step by step on a clock: what an engine's scheduler does.

First come, first served. A step decodes a token of every sequence that is in flight, and takes whole prompts beside
them, as many as wait, have a place and go into one chunk (performance.batching.CHUNK_TOKENS). A request keeps its
place from the step of its prompt, which brings its first token, to that of its last.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS

# Of the requests, those that find the batch not yet as full as the load keeps it.
WARM_UP_SHARE = 0.1
# A step: so many sequences gain a token, beside so many whole prompts; returns once the tokens are there.
StepOf = Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Seconds that pass, and how to wait for some of them."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step held, and the seconds from its start to the start of what came next."""

    decoding: int
    prompts: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """Requests in the order of arrival: seconds from the start to their first and last tokens; and all steps."""

    arrival_s: tuple[float, ...]
    first_s: tuple[float, ...]
    last_s: tuple[float, ...]
    steps: tuple[Step, ...]


def poisson_arrivals(requests: int, rate_rps: float, seed: int) -> tuple[float, ...]:
    """Seconds at which so many requests come: those of a Poisson process, given their number, are spread evenly over
    requests / rate (Ross, "Introduction to Probability Models", 5.3.5), so that no sample is of another rate.
    """
    drawn = np.random.default_rng(seed).uniform(0.0, requests / rate_rps, requests)
    return tuple(np.sort(drawn).tolist())


def first_token_s(run: Run, skipped: int, percentiles: Sequence[float]) -> tuple[float, ...]:
    """Seconds from arrival to first token that so many % of the requests do not exceed, those skipped left out."""
    waited = np.array(run.first_s[skipped:]) - np.array(run.arrival_s[skipped:])
    return tuple(np.percentile(waited, percentiles).tolist())


def settled_steps(run: Run, skipped: int) -> tuple[Step, ...]:
    """The steps from the one that takes the first request after those skipped, to the one that takes the last."""
    taken = list(accumulate(step.prompts for step in run.steps))
    begin, end = bisect_right(taken, skipped), bisect_right(taken, len(run.first_s) - 1)
    return run.steps[begin : end + 1]


def prompts_a_step(prompt: int, places: int) -> int:
    """Whole prompts of so many tokens that go into one chunk, as many as there are places."""
    return min(max(int(CHUNK_TOKENS) // prompt, 1), places)


def serve(
    step: StepOf,
    arrivals: Sequence[float],
    outputs: Sequence[int],
    *,
    prompt: int,
    places: int,
    clock: Clock | None = None,
) -> Run:
    """Serve requests that come at those seconds, each for so many tokens of output (at least 1), to the last."""
    clock, most = clock or Clock(), prompts_a_step(prompt, places)
    first, last = [0.0] * len(arrivals), [0.0] * len(arrivals)
    steps: list[Step] = []
    ends: dict[int, list[int]] = {}
    begun, started, decoding = clock.now(), 0, 0
    now = 0.0
    while started < len(arrivals) or decoding:
        if not decoding and now < arrivals[started]:
            clock.sleep(arrivals[started] - now)
            now = clock.now() - begun
            continue
        prompts = min(bisect_right(arrivals, now) - started, most, places - decoding)
        step(decoding, prompts)
        end = clock.now() - begun
        steps.append(Step(decoding=decoding, prompts=prompts, seconds=end - now))
        now = end
        for request in range(started, started + prompts):
            first[request] = now
            ends.setdefault(len(steps) + outputs[request] - 1, []).append(request)
        started, decoding = started + prompts, decoding + prompts
        for request in ends.pop(len(steps), ()):
            last[request] = now
            decoding -= 1
    return Run(arrival_s=tuple(arrivals), first_s=tuple(first), last_s=tuple(last), steps=tuple(steps))
