"""What a refresh is asked to do, and what it tells while it does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from optimiser.config import Config
from optimiser.errors import bad_value, did_you_mean
from optimiser.refreshing.acknowledge import check_patterns
from providers import PROVIDERS
from providers.fetch import Scope
from providers.offer import Tier

WAIT_SECONDS = 900.0
MOST_HISTORY_DAYS = 90


class Level(StrEnum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. expected counts the scopes to come where event is "provider_started"."""

    level: Level
    event: str
    message: str
    provider: str = ""
    region: str = ""
    tier: str = ""
    expected: int = 0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class RefreshRequest:
    """Which prices to fetch, and where to keep them.

    providers empty: all of them; regions empty: all that can be found. acknowledge are fnmatch patterns on
    Finding.id. spot_history_days 0 fetches no history. clients gives an adapter its client in place of the one
    it would build (by provider). tell is called with events, from any thread. A dry run stores nothing.
    """

    config: Config
    store_url: str
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = tuple(Tier)
    dry_run: bool = False
    acknowledge: tuple[str, ...] = ()
    spot_history_days: int = 0
    quotas: bool = False
    capacity_blocks: bool = False
    wait_seconds: float = WAIT_SECONDS
    clients: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], datetime] = _now
    tell: Callable[[Event], None] = lambda _: None

    @property
    def names(self) -> tuple[str, ...]:
        """The providers to refresh, each once."""
        return tuple(dict.fromkeys(self.providers or PROVIDERS))

    def asks(self, scope: Scope) -> bool:
        """Whether a scope of a provider that is refreshed is to be fetched."""
        return scope.tier in self.tiers and (not self.regions or scope.region in self.regions)

    def check(self) -> None:
        """Raises UsageError for what can be refused before anything is fetched."""
        for name in self.names:
            if name not in PROVIDERS:
                raise bad_value("--provider", "provider", name, did_you_mean(name, PROVIDERS))
        for region in self.regions:
            if not (region.isascii() and region.isprintable() and region.strip()):
                raise bad_value("--region", "region", region, "a name such as us-east-1")
        if not self.tiers:
            raise bad_value("--tier", "tier", "", f"at least one of {', '.join(Tier)}")
        if not 0 <= self.spot_history_days <= MOST_HISTORY_DAYS:
            right = f"0 to {MOST_HISTORY_DAYS}: clouds keep no more"
            raise bad_value("--spot-history-days", "days", self.spot_history_days, right)
        if not 0 <= self.wait_seconds < math.inf:
            raise bad_value("--wait", "seconds", self.wait_seconds, "a finite number, 0 to refuse at once")
        check_patterns(self.acknowledge)
