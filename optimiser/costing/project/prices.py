"""What a project is planned with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimiser.config import Config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from optimiser.prices.spot_past import SpotPast
from optimiser.recommend import Request


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Config, the prices in force, and what was typed over the policy; serving is the question of the project's
    workload where it has one, spot_past what is known of the spot pools that a policy allows.
    """

    config: Config
    book: PriceBook
    typed: Sequence[PolicyLayer] = ()
    serving: Request | None = None
    spot_past: Callable[[Policy], SpotPast]

    @property
    def policy(self) -> Policy:
        """Where things are rented that no workload and no job speaks of: as serving is, else as typed."""
        if self.serving is not None:
            return self.serving.policy
        return resolve_policy(self.config, self.typed, self.book)
