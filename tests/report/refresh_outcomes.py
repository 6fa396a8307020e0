"""Refreshes that went well, in part and not at all. Inputs, not what is tested."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from optimiser.prices.refreshed import Finding, Severity, Snapshot, Status
from optimiser.refresh import ProviderOutcome, RefreshReport, ScopeOutcome, State
from providers.fetch import Scope
from providers.offer import Tier

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
END = START + timedelta(seconds=90)
YESTERDAY = START - timedelta(days=1)


def scope(region: str, tier: Tier = Tier.ON_DEMAND, provider: str = "aws") -> Scope:
    return Scope(provider, region, tier)


def outcome(where: Scope, state: State = State.ACCEPTED, reason: str = "") -> ScopeOutcome:
    at = START if state is State.ACCEPTED else YESTERDAY
    return ScopeOutcome(scope=where, state=state, reason=reason, offers=10, missing=2, observed_at=at)


def finding(
    where: Scope, subject: str, severity: Severity = Severity.HOLD, check: str = "no_price_jump"
) -> Finding:
    return Finding(check=check, severity=severity, scope=where, subject=subject, message="98.32 → 55.04")


def provider(
    name: str, status: Status, scopes: list[ScopeOutcome], findings: list[Finding] | None = None
) -> ProviderOutcome:
    snapshot = Snapshot(
        id=7,
        provider=name,
        started_at=START,
        finished_at=END,
        source_version="20260910195514",
        status=status,
        counts={"requests": 12},
        findings=tuple(findings or ()),
        failures=(),
        offers=10,
        missing=2,
    )
    return ProviderOutcome(snapshot=snapshot, scopes=tuple(scopes), findings=snapshot.findings)


def report(*providers: ProviderOutcome, tiers: tuple[Tier, ...] = tuple(Tier)) -> RefreshReport:
    return RefreshReport(
        started_at=START,
        finished_at=END,
        dry_run=False,
        tiers=tiers,
        regions=(),
        providers=providers,
        warnings=(),
    )


GOOD = report(provider("gcp", Status.GOOD, [outcome(scope("us-central1", provider="gcp"))]))
MIXED = report(
    provider(
        "aws",
        Status.INCOMPLETE,
        [
            outcome(scope("us-east-1"), State.HELD, "no_price_jump p5.48xlarge: 98.32 → 55.04"),
            outcome(scope("us-west-2"), State.HELD, "no_price_jump p5.48xlarge: 98.32 → 55.05"),
            outcome(scope("eu-west-1"), State.FAILED, "did not answer"),
            outcome(scope("eu-west-3"), State.FAILED, "did not answer"),
            outcome(scope("us-east-1", Tier.SPOT)),
        ],
        [
            finding(scope("us-east-1"), "p5.48xlarge"),
            finding(scope("us-west-2"), "p5.48xlarge"),
            finding(scope("*"), "g6.xlarge", Severity.WARN, "hardware_matches_config"),
        ],
    ),
    provider("gcp", Status.GOOD, [outcome(scope("us-central1", provider="gcp"))]),
)
NOTHING = report(
    provider(
        "aws",
        Status.FAILED,
        [replace(outcome(scope("*"), State.FAILED, "no network"), offers=0, missing=0, observed_at=None)],
    )
)
