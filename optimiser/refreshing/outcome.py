"""What came of a refresh: every scope's state, every finding, and the exit code they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from optimiser.prices.refreshed import Finding, Snapshot, Status
from providers.fetch import Scope
from providers.offer import Tier

DONE, FAILED, INCOMPLETE = 0, 1, 4


class State(StrEnum):
    """ACCEPTED: in force from now on. HELD and FAILED: what stood there before stays, with its own date."""

    ACCEPTED = "accepted"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ScopeOutcome:
    """What became of one scope.

    offers, missing and observed_at are of what is in force there after the refresh (after a dry run: of what
    would be); observed_at None where nothing is. reason says why it was not accepted.
    """

    scope: Scope
    state: State
    reason: str
    offers: int
    missing: int
    observed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ProviderOutcome:
    """What became of one provider: its snapshot without the prices (id 0 where it was not stored), its scopes
    in order, findings (those of the snapshot and what came up after it), and why it could not be stored.
    """

    snapshot: Snapshot
    scopes: tuple[ScopeOutcome, ...]
    findings: tuple[Finding, ...]
    store_error: str = ""

    @property
    def provider(self) -> str:
        """Whose it is."""
        return self.snapshot.provider


@dataclass(frozen=True, kw_only=True)
class RefreshReport:
    """The whole refresh; times are UTC, warnings what somebody should know besides the findings."""

    started_at: datetime
    finished_at: datetime
    dry_run: bool
    tiers: tuple[Tier, ...]
    regions: tuple[str, ...]
    providers: tuple[ProviderOutcome, ...]
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0: all that was asked is accepted. 1: something could not be stored. 4: something failed or is held."""
        if any(one.store_error for one in self.providers):
            return FAILED
        whole = all(one.snapshot.status is Status.GOOD for one in self.providers)
        return DONE if whole else INCOMPLETE

    def scopes(self, *states: State) -> Iterator[ScopeOutcome]:
        """The scopes in one of the states, by provider in the order refreshed."""
        for one in self.providers:
            yield from (scope for scope in one.scopes if scope.state in states)
