"""The requests of a replica: what a mix of sizes asks of its steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.performance.batching import Traffic, mean_traffic
from optimiser.performance.layouts import Array


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Request sizes: traffic is (1, points), the other arrays (1, points, buckets).

    prompts are the tokens of a prompt that are computed, cached those before them that are not. outputs are the
    steps that a request decodes for: its output tokens over tokens_per_step. arrival_scv is the squared
    coefficient of variation of the gaps between the requests of a replica.
    """

    prompts: Array
    cached: Array
    outputs: Array
    shares: Array
    traffic: Traffic
    arrival_scv: float = 1.0
    tokens_per_step: float = 1.0

    @staticmethod
    def of(
        prompts: Array,
        outputs: Array,
        shares: Array,
        *,
        cached: Array | None = None,
        arrival_scv: float = 1.0,
        tokens_per_step: float = 1.0,
    ) -> Mix:
        """Requests of so many tokens of prompt, cached ones among them, and of output, shaped as the fields are."""
        held = np.zeros_like(prompts) if cached is None else cached
        computed, steps = prompts - held, outputs / tokens_per_step
        return Mix(
            prompts=computed,
            cached=held,
            outputs=steps,
            shares=shares,
            traffic=mean_traffic(computed, steps, shares, held, tokens_per_step),
            arrival_scv=arrival_scv,
            tokens_per_step=tokens_per_step,
        )

    def each_alone(self) -> Mix:
        """Every bucket of a mix served by itself, a point each."""
        prompts, cached, outputs = (
            values.reshape(1, -1, 1) for values in (self.prompts, self.cached, self.outputs)
        )
        return Mix.of(
            prompts + cached,
            outputs * self.tokens_per_step,
            np.ones_like(prompts),
            cached=cached,
            arrival_scv=self.arrival_scv,
            tokens_per_step=self.tokens_per_step,
        )
