"""The requests of a replica: what a mix of sizes asks of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.batching import Traffic, mean_traffic
from optimiser.performance.layouts import Array


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Request sizes: traffic is (1, points), the other arrays (1, points, prompts) and (1, points, buckets); where each
    set-up has sizes of its own, as many rows as set-ups instead of one.

    A first token depends on the prompt alone, so buckets that share it are taken together there. prompts are the tokens
    of a prompt that are computed, cached those before them that are not and prompt_shares the requests with each;
    prompt_of says which of them a bucket has, (buckets,). outputs are the steps that the requests of each bucket decode
    for, their output tokens over tokens_per_step, and shares the buckets'. arrival_scv is the squared coefficient of
    variation of the gaps between the requests of a replica, pool how many replicas share the stream that they come
    from.
    """

    prompts: Array
    cached: Array
    prompt_shares: Array
    outputs: Array
    shares: Array
    prompt_of: NDArray[np.intp]
    traffic: Traffic
    arrival_scv: float = 1.0
    pool: float = 1.0
    tokens_per_step: float = 1.0

    @staticmethod
    def of(
        prompts: Array,
        outputs: Array,
        shares: Array,
        *,
        cached: Array | None = None,
        arrival_scv: float = 1.0,
        pool: float = 1.0,
        tokens_per_step: float = 1.0,
    ) -> Mix:
        """Requests of so many tokens of prompt, cached ones among them, and of output; arrays (1, points, buckets)."""
        held = np.zeros_like(prompts) if cached is None else cached
        computed, steps = prompts - held, outputs / tokens_per_step
        prompt_at, prompt_of = _distinct(computed, held)
        with_prompt = prompt_of[:, None] == np.arange(len(prompt_at))
        return Mix(
            prompts=computed[..., prompt_at],
            cached=held[..., prompt_at],
            prompt_shares=shares @ with_prompt,
            outputs=steps,
            shares=shares,
            prompt_of=prompt_of,
            traffic=mean_traffic(computed, steps, shares, held, tokens_per_step),
            arrival_scv=arrival_scv,
            pool=pool,
            tokens_per_step=tokens_per_step,
        )

    @property
    def in_bursts(self) -> bool:
        """Whether gaps vary more than a Poisson process's."""
        return self.arrival_scv > 1.0

    @cached_property
    def overlap(self) -> Array:
        """For how much of its stay, on average, a request meets one that came with it: E[min(S, S')] / E[S]."""
        order = np.argsort(self.outputs, axis=-1)
        outputs, shares = (np.take_along_axis(values, order, -1) for values in (self.outputs, self.shares))
        # Each is the shorter one of two with every later one, and one of two alike.
        later = 1.0 - np.cumsum(shares, axis=-1)
        return np.asarray((outputs * shares * (2.0 * later + shares)).sum(axis=-1) / self.traffic.output)

    def of_set_ups(self, set_ups: NDArray[np.intp]) -> Mix:
        """The sizes of those set-ups; the mix itself where all have the same."""
        return self if len(self.prompts) == 1 else self._each(lambda values: values[set_ups])

    def of_points(self, points: NDArray[np.bool_]) -> Mix:
        """The sizes at those points."""
        return self._each(lambda values: values[:, points])

    def of_pairs(self, set_ups: NDArray[np.intp], points: NDArray[np.intp]) -> Mix:
        """The sizes of pairs of a set-up and a point, each as a set-up of one point."""
        rows = set_ups if len(self.prompts) > 1 else np.zeros_like(set_ups)
        return self._each(lambda values: values[rows, points][:, None])

    def _each(self, change: Callable[[Array], Array]) -> Mix:
        traffic = {name: change(values) for name, values in vars(self.traffic).items()}
        sizes: dict[str, Any] = {name: change(getattr(self, name)) for name in _SIZES}
        return replace(self, **sizes, traffic=replace(self.traffic, **traffic))

    def each_alone(self) -> Mix:
        """Every bucket of a mix served by itself, a point each."""
        prompts, cached = (
            values[..., self.prompt_of].reshape(1, -1, 1) for values in (self.prompts, self.cached)
        )
        outputs = self.outputs.reshape(1, -1, 1)
        return Mix.of(
            prompts + cached,
            outputs * self.tokens_per_step,
            np.ones_like(prompts),
            cached=cached,
            arrival_scv=self.arrival_scv,
            pool=self.pool,
            tokens_per_step=self.tokens_per_step,
        )


_SIZES = ("prompts", "cached", "prompt_shares", "outputs", "shares")


def _distinct(*sizes: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Buckets, the first of each that are alike in all their sizes, and for every bucket its place among those."""
    columns = np.concatenate([values.reshape(-1, values.shape[-1]) for values in sizes])
    _, first, place = np.unique(columns, axis=1, return_index=True, return_inverse=True)
    return first, place.reshape(-1)
