"""What a refresh leaves behind: findings, scopes with their own date, and the snapshot that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from providers.fetch import Scope
from providers.offer import Missing, Offer


class Severity(StrEnum):
    """HOLD keeps the scope's last good prices in force until somebody acknowledges; WARN only says so."""

    HOLD = "hold"
    WARN = "warn"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found in one scope. subject is an offer id, an instance type, or "" for the whole scope.

    value is the amount that was found where it stays what it is from one look to the next ("" elsewhere).
    """

    check: str
    severity: Severity
    scope: Scope
    subject: str
    message: str
    value: str = ""
    acknowledged: bool = False

    @property
    def place(self) -> str:
        """Where it was found: "no_price_jump:aws/us-east-1/on_demand/p5.48xlarge"."""
        return f"{self.check}:{self.scope}" + (f"/{self.subject}" if self.subject else "")

    @property
    def id(self) -> str:
        """What --acknowledge takes: the place, and "@55.04" after it where a value was found there, so that
        another value tomorrow is not let pass by today's look.
        """
        return self.place + (f"@{self.value}" if self.value else "")

    @property
    def holds(self) -> bool:
        """Whether the scope keeps its last good prices because of this."""
        return self.severity is Severity.HOLD and not self.acknowledged

    def as_acknowledged(self) -> Finding:
        """The same finding, which somebody has looked at."""
        return replace(self, acknowledged=True)


@dataclass(frozen=True, kw_only=True)
class ScopePrices:
    """All that is in force in one scope since observed_at (UTC); snapshot_id 0 before it is stored."""

    scope: Scope
    observed_at: datetime
    offers: tuple[Offer, ...]
    missing: tuple[Missing, ...]
    snapshot_id: int = 0


class Status(StrEnum):
    """GOOD: every scope asked was accepted. INCOMPLETE: some failed or are held. FAILED: none was accepted.
    DISCARDED: somebody took it back; nothing of it is in force.
    """

    GOOD = "good"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One refresh of one provider, written once and never changed but for being discarded; id 0 before it is stored.

    accepted are the scopes whose prices are in force from now on (empty when only the summary was read back),
    failures the scopes that could not be fetched, each with its reason; held scopes are those of the findings
    that hold. offers and missing count what was accepted.
    """

    id: int = 0
    provider: str
    started_at: datetime
    finished_at: datetime
    source_version: str
    status: Status
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    failures: tuple[tuple[Scope, str], ...]
    accepted: tuple[ScopePrices, ...] = ()
    scopes: int = 0
    offers: int = 0
    missing: int = 0
