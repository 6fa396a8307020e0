"""Set-ups and the loads of a step as parallel arrays: what one replica can use, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.anchor import Anchors
from optimiser.performance.physics import Physics

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """Set-ups as parallel arrays: what one replica can use, after the efficiency of its GPU generation.

    Rates are per GPU: weight_flops for weights at the checkpoint's precision, half_flops for 16 bit,
    memory in bytes/s. shards is the tensor-parallel degree of attention and dense parts; ranks the
    data-parallel degree of attention (above 1 only where experts are spread over all GPUs); a stage has
    shards × ranks GPUs, and stages are pipeline-parallel. link_bytes_per_s (one direction, as quoted) joins
    the GPUs of a stage, stage_bytes_per_s two stages; latencies are per message. step_factor,
    latent_prompt_layer_s and graph_tokens are the engine's (physics.Engine). pair says at which of the work's
    pairs of precisions (model_work.ModelWork) a set-up serves. anchors, where there are any, hold for each
    set-up what measurements of it say, None where there are none.
    """

    weight_flops: Array
    half_flops: Array
    memory_bytes_per_s: Array
    link_bytes_per_s: Array
    link_latency_s: Array
    stage_bytes_per_s: Array
    stage_latency_s: Array
    shards: Array
    ranks: Array
    stages: Array
    step_factor: Array
    latent_prompt_layer_s: Array
    graph_tokens: Array
    pair: NDArray[np.intp]
    physics: Physics
    anchors: Anchors = ()

    def select(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Layouts:
        """The layouts at `rows`."""
        kept = tuple(self.anchors[row] for row in np.arange(len(self.shards))[rows]) if self.anchors else ()
        return replace(self._each(lambda values: values[rows]), anchors=kept)

    def columns(self, extra: int) -> Layouts:
        """The same layouts with `extra` trailing axes of length 1, to broadcast against loads."""
        shape = (-1,) + (1,) * extra
        return self._each(lambda values: values.reshape(shape))

    def alike(self, *more: Array) -> NDArray[np.intp]:
        """For each set-up the first that is like it in all fields and in `more`, (set-ups,)."""
        anchors = [np.array([id(one) for one in self.anchors])] if self.anchors else []
        return first_alike(*(getattr(self, name) for name in _ARRAYS), *anchors, *more)

    def beside(self, other: Layouts) -> Layouts:
        """These layouts, and after them the others, of the same physics."""
        anchors: Anchors = ()
        if self.anchors or other.anchors:
            anchors = tuple(
                one for each in (self, other) for one in each.anchors or [None] * len(each.shards)
            )
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ARRAYS}
        return Layouts(physics=self.physics, anchors=anchors, **both)

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Layouts:
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in _ARRAYS}
        return Layouts(physics=self.physics, anchors=self.anchors, **changed)


_ARRAYS = tuple(item.name for item in fields(Layouts) if item.name not in ("physics", "anchors"))


def first_alike(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """For each row of the columns, all of one length, the first row that is the same."""
    first: dict[tuple[Any, ...], int] = {}
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.array([first.setdefault(row, number) for number, row in enumerate(rows)])


@dataclass(frozen=True, kw_only=True)
class Load:
    """One micro-batch: `decode` sequences of `context` tokens each take a step, and `prefill` prompt tokens, which
    look back at prefill_context tokens on average, are processed beside them. Broadcasting arrays.
    """

    decode: Array
    context: Array
    prefill: Array
    prefill_context: Array
