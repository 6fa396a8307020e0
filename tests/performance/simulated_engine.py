"""Replicas with continuous batching, step by step in SimPy: what the estimates' closed forms stand for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import simpy

from optimiser.performance.batching import CHUNK_TOKENS, mean_traffic
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.model_work import ModelWork
from optimiser.performance.timing import step_seconds
from optimiser.workload import SizeBucket

_BATCHES = np.arange(0, 513, dtype=np.float64)
_PROMPTS = np.linspace(0, CHUNK_TOKENS, 65)


def step_table(work: ModelWork, at: Layouts, buckets: Sequence[SizeBucket]) -> Array:
    """Seconds of a step by (sequences, prompt tokens)."""
    sizes = np.array([(b.prompt_tokens, b.output_tokens, b.share) for b in buckets]).T
    traffic = mean_traffic(*sizes)
    load = Load(
        decode=_BATCHES[:, None],
        context=traffic.context,
        prefill=_PROMPTS[None, :],
        prefill_context=traffic.prefill_context,
    )
    return step_seconds(work, at, load)


def step_seconds_of(table: Array, active: int, prompt_tokens: float) -> float:
    """Of such a table, between its columns."""
    column = prompt_tokens / CHUNK_TOKENS * (len(_PROMPTS) - 1)
    low = int(column)
    high = min(low + 1, len(_PROMPTS) - 1)
    row = table[active]
    return float(row[low] + (column - low) * (row[high] - row[low]))


@dataclass(kw_only=True)
class Requests:
    """Requests in the order of arrival; times in seconds, lengths in tokens. first and last are filled in."""

    arrival: Array
    prompt: Array
    output: Array
    first: Array = field(init=False)
    last: Array = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.last = np.zeros_like(self.arrival), np.zeros_like(self.arrival)


class Decoding:
    """The requests that decode together, step by step."""

    def __init__(self, requests: Requests) -> None:
        self.requests, self.active, self.step = requests, 0, 0
        self._ends: dict[int, list[int]] = {}

    def go_on(self, started: Sequence[int], now: float) -> int:
        """A step ends, and in it those prompts: how many requests end with it."""
        self.step += 1
        for request in started:
            self.requests.first[request] = now
            self._ends.setdefault(self.step + int(self.requests.output[request]) - 1, []).append(request)
        ended = self._ends.pop(self.step, ())
        for request in ended:
            self.requests.last[request] = now
        self.active += len(started) - len(ended)
        return len(ended)


def drawn(buckets: Sequence[SizeBucket], rate: float, requests: int, arrival_cv: float) -> Requests:
    """Requests of the mix with Gamma gaps of that coefficient of variation (1: Poisson arrivals).

    The shares and the mean gap are exact: a sample of another load would tell of that.
    """
    draw = np.random.default_rng(11)
    bounds = np.cumsum([bucket.share for bucket in buckets])
    kind = np.searchsorted(bounds / bounds[-1], draw.permutation(np.arange(0.5, requests)) / requests)
    gaps = draw.gamma(arrival_cv**-2, arrival_cv**2, requests)
    return Requests(
        arrival=np.cumsum(gaps / gaps.mean()) / rate,
        prompt=np.array([b.prompt_tokens for b in buckets])[kind],
        output=np.array([b.output_tokens for b in buckets])[kind],
    )


class _Replica:
    """One engine: first come, first served; up to CHUNK_TOKENS prompt tokens per step; a request takes a place
    from the first step of its prompt to its last token.
    """

    def __init__(
        self,
        env: simpy.Environment,
        table: Array,
        places: int,
        requests: Requests,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.env, self.table, self.places, self.requests, self.ended = env, table, places, requests, ended
        self.waiting: deque[int] = deque()
        self.left = requests.prompt.astype(float)
        self.woken = env.event()
        env.process(self._run())

    def take(self, request: int) -> None:
        self.waiting.append(request)
        if not self.woken.triggered:
            self.woken.succeed()

    def _run(self) -> Generator[simpy.Event, None, None]:
        decoding = Decoding(self.requests)
        while True:
            active = decoding.active
            if not self.waiting and not active:
                self.woken = self.env.event()
                yield self.woken
            budget, started = CHUNK_TOKENS, []
            while self.waiting and budget > 0 and active + len(started) < self.places:
                taken = min(self.left[self.waiting[0]], budget)
                self.left[self.waiting[0]] -= taken
                budget -= taken
                if self.left[self.waiting[0]] > 0:
                    break
                started.append(self.waiting.popleft())
            yield self.env.timeout(step_seconds_of(self.table, active, CHUNK_TOKENS - budget))
            for _ in range(decoding.go_on(started, self.env.now)):
                self.ended()


def simulate(
    work: ModelWork,
    at: Layouts,
    buckets: Sequence[SizeBucket],
    rate: float,
    places: int,
    requests: int,
    *,
    arrival_cv: float = 1.0,
    replicas: int = 1,
) -> tuple[Array, Array]:
    """TTFT and mean time per output token of each request, in seconds, at `rate`/s over all replicas, each of
    which gets a request with the same chance.
    """
    env, some = simpy.Environment(), drawn(buckets, rate, requests, arrival_cv)
    table = step_table(work, at, buckets)
    pool = [_Replica(env, table, places, some) for _ in range(replicas)]
    goes_to = np.random.default_rng(12).integers(replicas, size=requests)

    def arrivals() -> Generator[simpy.Event, None, None]:
        for request in range(requests):
            yield env.timeout(some.arrival[request] - env.now)
            pool[goes_to[request]].take(request)

    env.process(arrivals())
    env.run()
    settled = slice(requests // 10, None)
    waited = (some.first - some.arrival)[settled]
    return waited, ((some.last - some.first) / np.maximum(some.output - 1, 1))[settled]


def simulate_closed_loop(
    work: ModelWork, at: Layouts, size: SizeBucket, in_flight: int, requests: int, spread: float
) -> Array:
    """TTFT of each request in seconds, in order: `in_flight` of them come at once, each that ends is followed by
    another. Lengths are even within `spread` of those of `size` (0.1 is ± 10 %); there is a place for each.
    """
    env, draw = simpy.Environment(), np.random.default_rng(13)
    prompt, output = (
        np.round(mean * draw.uniform(1 - spread, 1 + spread, requests))
        for mean in (size.prompt_tokens, size.output_tokens)
    )
    some = Requests(arrival=np.zeros(requests), prompt=prompt, output=output)
    coming = iter(range(requests))

    def next_one() -> None:
        request = next(coming, None)
        if request is not None:
            some.arrival[request] = env.now
            replica.take(request)

    replica = _Replica(env, step_table(work, at, [size]), in_flight, some, next_one)
    for _ in range(in_flight):
        next_one()
    env.run()
    return some.first - some.arrival
