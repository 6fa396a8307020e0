"""What came of a refresh: for people within a screen, for machines complete."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from optimiser.errors import OptimiserError, bad_value, did_you_mean
from optimiser.prices.refreshed import Finding
from optimiser.refresh import ProviderOutcome, RefreshReport, ScopeOutcome, State
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.text_layout import text_of
from optimiser.report.wording import counted, provider_name, words
from providers.offer import Tier

SCHEMA_VERSION = "1.1"
FORMATS = ("table", "json")
LINES_PER_PROVIDER = 10
LINES_PER_KIND = 3


def render(report: RefreshReport, format_name: str, *, colour: bool = False) -> str:
    """The report in one of FORMATS. Raises UsageError for another."""
    check_format(format_name)
    if format_name == "json":
        return report_json(report)
    return text_of(refresh_document(report), colour=colour)


def check_format(format_name: str) -> None:
    """Raises UsageError where a format is not one of FORMATS."""
    if format_name not in FORMATS:
        raise bad_value("--format", "format", format_name, did_you_mean(format_name, FORMATS))


def report_json(report: RefreshReport, refused: OptimiserError | None = None) -> str:
    """Everything, as JSON: schema_version grows in its minor part by additions alone. Times are ISO, UTC.

    refused is null, or why nothing was fetched at all: another refresh was at work, the store could not be
    opened, a name was wrong. Then there are no providers, and the exit code is that of the refusal.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "started_at": _time(report.started_at),
        "finished_at": _time(report.finished_at),
        "exit_code": refused.exit_code if refused else report.exit_code,
        "refused": str(refused) if refused else None,
        "dry_run": report.dry_run,
        "tiers": [tier.value for tier in report.tiers],
        "regions": list(report.regions),
        "warnings": list(report.warnings),
        "providers": [_provider(outcome) for outcome in report.providers],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def refresh_document(report: RefreshReport) -> Document:
    """The report within about a screen; what does not fit is counted and said to be in --report."""
    return Document(
        _headline(report),
        (
            Section("Scopes", (_scopes(report),) if any(report.scopes(*State)) else ()),
            Section("Not accepted: what was in force there stays", tuple(not_accepted(report))),
            Section("The store failed", tuple(_store_errors(report.providers))),
            Section("Findings", tuple(_findings(report.providers))),
            Section("Warnings", report.warnings),
        ),
    )


def not_accepted(report: RefreshReport) -> list[str]:
    """One line per provider, reason and regions: "AWS us-east-1, us-west-2 on demand, reserved failed: …"."""
    by_tier: dict[tuple[str, State, str, Tier], list[ScopeOutcome]] = defaultdict(list)
    for outcome in report.scopes(State.FAILED, State.HELD):
        # Held regions differ in the numbers of their reasons, and belong together by the check that holds them.
        reason = outcome.reason if outcome.state is State.FAILED else outcome.reason.partition(" ")[0]
        by_tier[outcome.scope.provider, outcome.state, reason, outcome.scope.tier].append(outcome)
    groups: dict[tuple[str, State, str, tuple[str, ...]], list[ScopeOutcome]] = defaultdict(list)
    for (provider, state, reason, _), outcomes in by_tier.items():
        regions = tuple(outcome.scope.region for outcome in outcomes)
        groups[provider, state, reason, regions] += outcomes
    return [_group_line(outcomes) for outcomes in groups.values()]


def _group_line(outcomes: Sequence[ScopeOutcome]) -> str:
    first = outcomes[0]
    regions = dict.fromkeys(outcome.scope.region for outcome in outcomes)
    tiers = dict.fromkeys(words(outcome.scope.tier.value) for outcome in outcomes)
    places = ", ".join("all regions" if name == "*" else name for name in regions)
    what = f"{provider_name(first.scope.provider)} {places} {', '.join(tiers)} {first.state.value}"
    such = f" (such as {first.scope.region})" if len({one.reason for one in outcomes}) > 1 else ""
    return f"{what}: {first.reason}{such}"


def _headline(report: RefreshReport) -> str:
    everything = list(report.scopes(*State))
    accepted = list(report.scopes(State.ACCEPTED))
    prices = sum(outcome.offers for outcome in accepted)
    verb = "would be accepted, nothing was stored" if report.dry_run else "accepted"
    text = f"{counted(len(everything), 'scope')} (provider, region and tier): {len(accepted):,} {verb}"
    held, failed = (len(list(report.scopes(state))) for state in (State.HELD, State.FAILED))
    others = "".join(f", {count:,} {name}" for name, count in (("held", held), ("failed", failed)) if count)
    return f"{text} with {counted(prices, 'price')}{others}"


def _store_errors(outcomes: Iterable[ProviderOutcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.store_error:
            yield f"{provider_name(outcome.provider)}: {outcome.store_error}"


def _scopes(report: RefreshReport) -> Table:
    columns = (
        Column("provider"),
        Column("tier"),
        Column("accepted", right=True),
        Column("held", right=True),
        Column("failed", right=True),
        Column("prices", right=True),
        Column("missing", right=True),
        Column("oldest (UTC)"),
    )
    groups: dict[tuple[str, Tier], list[ScopeOutcome]] = defaultdict(list)
    for outcome in report.scopes(*State):
        groups[outcome.scope.provider, outcome.scope.tier].append(outcome)
    return Table(columns, tuple(_group(*key, outcomes) for key, outcomes in sorted(groups.items())))


def _group(provider: str, tier: Tier, outcomes: Sequence[ScopeOutcome]) -> Row:
    states = Counter(outcome.state for outcome in outcomes)
    dates = [outcome.observed_at for outcome in outcomes if outcome.observed_at]
    cells = (
        provider_name(provider),
        words(tier.value),
        f"{states[State.ACCEPTED]:,} of {len(outcomes):,}",
        f"{states[State.HELD]:,}",
        f"{states[State.FAILED]:,}",
        f"{sum(outcome.offers for outcome in outcomes):,}",
        f"{sum(outcome.missing for outcome in outcomes):,}",
        f"{min(dates):%Y-%m-%d %H:%M}" if dates else "none in force",
    )
    return Row(cells)


def _findings(outcomes: Iterable[ProviderOutcome]) -> list[Block]:
    lines: list[Block] = []
    may_acknowledge = False
    for outcome in outcomes:
        lines += _of_provider(outcome)
        may_acknowledge |= any(finding.holds for finding in outcome.findings)
    if may_acknowledge:
        lines.append(
            "A held finding that is right is let pass with --acknowledge and its name (* for any part)."
        )
    return lines


def _of_provider(outcome: ProviderOutcome) -> list[str]:
    kinds: dict[tuple[bool, str], list[Finding]] = defaultdict(list)
    for finding in sorted(outcome.findings, key=lambda finding: not finding.holds):
        kinds[not finding.holds, finding.check].append(finding)
    lines: list[str] = []
    left: Counter[str] = Counter()
    for (_, check), findings in kinds.items():
        room = min(LINES_PER_KIND, LINES_PER_PROVIDER - len(lines))
        lines += map(_line, findings[:room])
        left[check] += len(findings) - len(findings[:room])
    if left.total():
        names = ", ".join(f"{count:,} {check}" for check, count in left.items() if count)
        lines.append(
            f"… and {left.total():,} more of {provider_name(outcome.provider)} ({names}), all in --report"
        )
    return lines


def _line(finding: Finding) -> str:
    state = "held" if finding.holds else "acknowledged" if finding.acknowledged else "warning"
    return f"{state} {finding.id}: {finding.message}"


def _provider(outcome: ProviderOutcome) -> dict[str, Any]:
    snapshot = outcome.snapshot
    return {
        "provider": snapshot.provider,
        "status": snapshot.status.value,
        "snapshot_id": snapshot.id or None,
        "source_version": snapshot.source_version,
        "started_at": _time(snapshot.started_at),
        "finished_at": _time(snapshot.finished_at),
        "offers": snapshot.offers,
        "missing": snapshot.missing,
        "counts": dict(snapshot.counts),
        "store_error": outcome.store_error or None,
        "scopes": [_scope(scope) for scope in outcome.scopes],
        "findings": [_finding(finding) for finding in outcome.findings],
    }


def _scope(outcome: ScopeOutcome) -> dict[str, Any]:
    return {
        "region": outcome.scope.region,
        "tier": outcome.scope.tier.value,
        "state": outcome.state.value,
        "reason": outcome.reason or None,
        "offers": outcome.offers,
        "missing": outcome.missing,
        "observed_at": _time(outcome.observed_at) if outcome.observed_at else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "check": finding.check,
        "severity": finding.severity.value,
        "acknowledged": finding.acknowledged,
        "holds": finding.holds,
        "region": finding.scope.region,
        "tier": finding.scope.tier.value,
        "subject": finding.subject,
        "message": finding.message,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
