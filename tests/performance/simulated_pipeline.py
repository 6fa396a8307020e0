"""A pipeline-parallel replica, stage by stage in SimPy: as many parts of its requests take turns as it has stages."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence

import numpy as np
import simpy
from simulated_engine import Decoding, Requests, drawn, step_seconds_of, step_table

from optimiser.performance.batching import CHUNK_TOKENS
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.model_work import ModelWork
from optimiser.workload import SizeBucket


class _Pipeline:
    """Each stage takes one pass at a time, in order, for an equal part of its step; a part's next pass begins when its
    last has left the last stage, with the prompts that wait by then, up to CHUNK_TOKENS of them.
    """

    def __init__(self, env: simpy.Environment, table: Array, stages: int, requests: Requests) -> None:
        self.env, self.table, self.requests = env, table, requests
        self.stages = [simpy.Resource(env) for _ in range(stages)]
        self.waiting: deque[int] = deque()
        self.left = requests.prompt.astype(float)
        self.woken = env.event()
        for _ in range(stages):
            env.process(self._part())

    def take(self, request: int) -> None:
        self.waiting.append(request)
        self.woken.succeed()
        self.woken = self.env.event()

    def _part(self) -> Generator[simpy.Event, None, None]:
        decoding = Decoding(self.requests)
        own: deque[int] = deque()
        while True:
            active = decoding.active
            if not (self.waiting or active or own):
                yield self.woken
                continue
            started: list[int] = []
            seconds = 0.0
            for number, stage in enumerate(self.stages):
                with stage.request() as turn:
                    yield turn
                    if number == 0:
                        started, tokens = self._prompts(own)
                        if not (active or tokens):
                            break
                        seconds = step_seconds_of(self.table, active, tokens) / len(self.stages)
                    yield self.env.timeout(seconds)
            if active or seconds:
                decoding.go_on(started, self.env.now)

    def _prompts(self, own: deque[int]) -> tuple[list[int], float]:
        """The requests whose prompts end in the next pass, and its prompt tokens; own is the one that is under way."""
        budget, started = CHUNK_TOKENS, []
        while budget > 0 and (own or self.waiting):
            if not own:
                own.append(self.waiting.popleft())
            taken = min(self.left[own[0]], budget)
            self.left[own[0]] -= taken
            budget -= taken
            if self.left[own[0]] > 0:
                break
            started.append(own.popleft())
        return started, CHUNK_TOKENS - budget


def simulate_pipeline(
    work: ModelWork,
    at: Layouts,
    buckets: Sequence[SizeBucket],
    rate: float,
    requests: int,
    arrival_cv: float = 1.0,
) -> Array:
    """Time per output token in seconds of requests with room for all of them, after the first tenth, (requests,)."""
    some = drawn(buckets, rate, requests, arrival_cv)
    env = simpy.Environment()
    replica = _Pipeline(env, step_table(work, at, buckets), int(at.stages[0]), some)

    def arrive() -> Generator[simpy.Event, None, None]:
        for request, moment in enumerate(some.arrival):
            yield env.timeout(max(moment - env.now, 0.0))
            replica.take(request)

    env.process(arrive())
    env.run()
    later = slice(requests // 10, None)
    return np.asarray(((some.last - some.first) / np.maximum(some.output - 1, 1))[later])
