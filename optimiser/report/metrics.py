"""A refresh as Prometheus metrics, in the text format that node_exporter's textfile collector reads.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4). The collector puts all
files of its folder together and refuses a series that is in two of them, so every series names its refresh: the
tiers that were asked for, "all" where that is all of them. Give the hourly and the nightly job a file each. A file
stands until it is written again, and a series that is no longer in it is gone, with every alert on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from optimiser.refresh import RefreshReport, ScopeOutcome, State
from providers.offer import Tier

Series = tuple[Mapping[str, str], float]
Metric = tuple[str, str, Iterable[Series]]
_HELP = "# HELP "


def metrics_text(report: RefreshReport) -> str:
    """The metrics of a refresh that stored what it accepted (a dry run has none). Ages are as of its end."""
    metrics: tuple[Metric, ...] = (
        (
            "optimiser_price_age_seconds",
            "Age of the oldest scope's prices in force at the end of the last refresh that was not refused.",
            _of_oldest(report, lambda moment: (report.finished_at - moment).total_seconds()),
        ),
        (
            "optimiser_price_oldest_timestamp_seconds",
            "When the oldest scope's prices in force were fetched, in seconds since 1970; alert on time() minus this.",
            _of_oldest(report, datetime.timestamp),
        ),
        ("optimiser_offers", "Prices in force.", _sums(report, lambda scope: scope.offers)),
        (
            "optimiser_missing",
            "Prices in force as known not to exist.",
            _sums(report, lambda scope: scope.missing),
        ),
        ("optimiser_findings", "Findings of the checks, those acknowledged too.", _findings(report)),
        (
            "optimiser_failed_scopes",
            "Scopes that were asked for and not accepted: failed or held.",
            _sums(report, lambda scope: int(scope.state is not State.ACCEPTED)),
        ),
    )
    return _text(metrics, report) + _of_run(report, ok=report.exit_code == 0)


def refused_metrics(report: RefreshReport, before: str) -> str:
    """The metrics of a refresh that was refused: when, and that it is not ok. What the file said of prices before
    is as true as it was and stays, for without it an alert on their age would fall silent.
    """
    run = _of_run(report, ok=False)
    of_prices = [one for one in before.split(_HELP)[1:] if f"{_HELP}{one.split(' ')[0]} " not in run]
    return "".join(f"{_HELP}{one}" for one in of_prices) + run


def _of_run(report: RefreshReport, *, ok: bool) -> str:
    metrics: tuple[Metric, ...] = (
        (
            "optimiser_refresh_duration_seconds",
            "How long the refresh took.",
            [({}, (report.finished_at - report.started_at).total_seconds())],
        ),
        (
            "optimiser_last_refresh_timestamp_seconds",
            "When the refresh ended, in seconds since 1970.",
            [({}, report.finished_at.timestamp())],
        ),
        (
            "optimiser_refresh_ok",
            "1 where all that was asked for is accepted and stored, else 0.",
            [({}, int(ok))],
        ),
    )
    return _text(metrics, report)


def _text(metrics: Iterable[Metric], report: RefreshReport) -> str:
    refresh = "all" if set(report.tiers) == set(Tier) else "+".join(sorted(report.tiers))
    return "".join(_metric(name, text, series, refresh) for name, text, series in metrics)


def _metric(name: str, text: str, series: Iterable[Series], refresh: str) -> str:
    lines = [f"{_HELP}{name} {text}", f"# TYPE {name} gauge"]
    for labels, value in series:
        named = ",".join(f'{key}="{_escaped(one)}"' for key, one in {**labels, "refresh": refresh}.items())
        lines.append(f"{name}{{{named}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _labels(scope: ScopeOutcome) -> tuple[str, str]:
    return scope.scope.provider, scope.scope.tier.value


def _of_oldest(report: RefreshReport, value: Callable[[datetime], float]) -> list[Series]:
    oldest: dict[tuple[str, str], datetime] = {}
    for scope in report.scopes(*State):
        if scope.observed_at:
            key = _labels(scope)
            oldest[key] = min(oldest.get(key, scope.observed_at), scope.observed_at)
    return [_series(key, value(moment)) for key, moment in sorted(oldest.items())]


def _sums(report: RefreshReport, value: Callable[[ScopeOutcome], int]) -> list[Series]:
    sums: Counter[tuple[str, str]] = Counter()
    for scope in report.scopes(*State):
        sums[_labels(scope)] += value(scope)
    return [_series(key, amount) for key, amount in sorted(sums.items())]


def _series(key: tuple[str, str], value: float) -> Series:
    return {"provider": key[0], "tier": key[1]}, value


def _findings(report: RefreshReport) -> list[Series]:
    counts = Counter(
        (one.provider, finding.check, finding.severity.value)
        for one in report.providers
        for finding in one.findings
    )
    return [
        ({"provider": provider, "check": check, "severity": severity}, count)
        for (provider, check, severity), count in sorted(counts.items())
    ]
