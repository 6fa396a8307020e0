"""A refresh's metrics, as a parser as strict as Prometheus's reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from refresh_outcomes import END, GOOD, MIXED, NOTHING, START, YESTERDAY, outcome, provider, report, scope

from optimiser.prices.refreshed import Status
from optimiser.refresh import State
from optimiser.report.metrics import metrics_text, refused_metrics
from providers.offer import Tier

SERIES = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The series of a text in Prometheus's format; AssertionError for whatever its own parser would refuse."""
    assert text.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    typed: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in typed, "a metric's lines stand together"
            assert len(line.split(" ", 3)[3]) > 5
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
            typed.add(current)
        else:
            match = SERIES.fullmatch(line)
            assert match, line
            assert match[1] == current
            key = (match[1], frozenset(LABEL.findall(match[2])))
            assert key not in found, line
            found[key] = float(match[3])
    return found


def value(text: str, name: str, **labels: str) -> float:
    return parsed(text)[name, frozenset({"refresh": "all", **labels}.items())]


def test_metrics_of_a_refresh_that_left_something_held() -> None:
    text = metrics_text(MIXED)
    aws = {"provider": "aws", "tier": "on_demand"}
    assert value(text, "optimiser_price_age_seconds", **aws) == 86_490  # a day and the 90 s of the refresh
    assert value(text, "optimiser_price_age_seconds", provider="aws", tier="spot") == 90
    assert value(text, "optimiser_price_oldest_timestamp_seconds", **aws) == YESTERDAY.timestamp()
    assert value(text, "optimiser_offers", **aws) == 40
    assert value(text, "optimiser_missing", **aws) == 8
    assert value(text, "optimiser_failed_scopes", **aws) == 4
    assert value(text, "optimiser_failed_scopes", provider="gcp", tier="on_demand") == 0
    assert value(text, "optimiser_findings", provider="aws", check="no_price_jump", severity="hold") == 2
    assert value(text, "optimiser_refresh_duration_seconds") == 90
    assert value(text, "optimiser_last_refresh_timestamp_seconds") == END.timestamp()
    assert value(text, "optimiser_refresh_ok") == 0
    assert value(metrics_text(GOOD), "optimiser_refresh_ok") == 1


def test_the_age_of_a_tier_is_that_of_its_oldest_scope() -> None:
    places = [outcome(scope("a")), outcome(scope("b"), State.HELD, "x"), outcome(scope("c"))]
    text = metrics_text(report(provider("aws", Status.INCOMPLETE, places)))
    assert value(text, "optimiser_price_age_seconds", provider="aws", tier="on_demand") == 86_490


def test_metrics_are_valid_when_everything_failed() -> None:
    text = metrics_text(NOTHING)
    names = {name for name, _ in parsed(text)}
    assert value(text, "optimiser_refresh_ok") == 0
    assert value(text, "optimiser_failed_scopes", provider="aws", tier="on_demand") == 1
    assert "optimiser_price_age_seconds" not in names
    assert value(metrics_text(report()), "optimiser_refresh_ok") == 1


def test_a_refusal_is_told_beside_what_the_file_said_of_prices() -> None:
    before = metrics_text(MIXED)
    hour = timedelta(hours=1)
    refusal = replace(report(), started_at=START + hour, finished_at=START + hour + timedelta(seconds=5))
    now = parsed(refused_metrics(refusal, before))
    run = {
        "optimiser_refresh_ok": 0,
        "optimiser_refresh_duration_seconds": 5,
        "optimiser_last_refresh_timestamp_seconds": START.timestamp() + 3605,
    }
    every = frozenset({("refresh", "all")})
    assert now == parsed(before) | {(name, every): amount for name, amount in run.items()}
    # Once more changes nothing but the run, and without a file before there is the run alone.
    assert parsed(refused_metrics(refusal, refused_metrics(refusal, before))) == now
    assert {name for name, _ in parsed(refused_metrics(refusal, "no metrics\n"))} == run.keys()


def test_the_nightly_and_the_hourly_job_share_no_series() -> None:
    """The textfile collector refuses a series that stands in two files."""
    hourly = replace(MIXED, tiers=(Tier.SPOT,))
    assert not parsed(metrics_text(MIXED)).keys() & parsed(metrics_text(hourly)).keys()


def test_labels_are_escaped() -> None:
    odd = report(provider('a"b\\c\nd', Status.GOOD, [outcome(scope("x", provider='a"b\\c\nd'))]))
    text = metrics_text(odd)
    assert parsed(text)
    assert 'provider="a\\"b\\\\c\\nd"' in text
