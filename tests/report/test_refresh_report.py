"""A refresh's report: a screen for people, all of it for machines, and metrics that a strict parser reads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from optimiser.errors import UsageError
from optimiser.prices.refreshed import Finding, Severity, Snapshot, Status
from optimiser.refresh import ProviderOutcome, RefreshReport, ScopeOutcome, State
from optimiser.report.metrics import metrics_text
from optimiser.report.refresh_report import not_accepted, render
from providers.fetch import Scope
from providers.offer import Tier

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
END = START + timedelta(seconds=90)
YESTERDAY = START - timedelta(days=1)
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


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


def test_scopes_not_accepted_are_grouped_by_provider_tier_and_reason() -> None:
    assert not_accepted(MIXED) == [
        "AWS us-east-1, us-west-2 on demand held: no_price_jump p5.48xlarge: 98.32 → 55.04 (such as us-east-1)",
        "AWS eu-west-1, eu-west-3 on demand failed: did not answer",
    ]
    assert not_accepted(GOOD) == []
    assert not_accepted(NOTHING) == ["AWS all regions on demand failed: no network"]


@pytest.mark.parametrize(("one", "code"), [(GOOD, 0), (MIXED, 4), (NOTHING, 4)])
def test_exit_codes(one: RefreshReport, code: int) -> None:
    assert one.exit_code == code
    unstored = replace(one, providers=(replace(one.providers[0], store_error="the disk is full"),))
    assert unstored.exit_code == 1


def test_the_table_says_what_was_accepted_what_not_and_how_to_go_on() -> None:
    text = render(MIXED, "table")
    assert text.startswith(
        "6 scopes (provider, region and tier): 2 accepted with 20 prices, 2 held, 2 failed\n"
    )
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "AWS on demand 0 of 4 2 2 40 8 2026-11-20 02:00" in rows
    assert "AWS spot 1 of 1 0 0 10 2 2026-11-21 02:00" in rows
    assert "held no_price_jump:aws/us-east-1/on_demand/p5.48xlarge: 98.32 → 55.04" in rows
    assert "warning hardware_matches_config:aws/*/on_demand/g6.xlarge: 98.32 → 55.04" in rows
    assert "--acknowledge" in text
    assert "--acknowledge" not in render(GOOD, "table")
    assert "none in force" in render(NOTHING, "table")


def test_the_table_of_a_dry_run_says_that_nothing_was_stored() -> None:
    dry = render(replace(GOOD, dry_run=True), "table")
    assert "1 would be accepted, nothing was stored" in dry


def test_many_findings_are_counted_in_the_table_and_complete_in_json() -> None:
    many = [finding(scope("us-east-1"), f"t{number}") for number in range(40)]
    many += [finding(scope("us-east-1"), f"t{number}", Severity.WARN, "price_in_band") for number in range(5)]
    one = report(provider("aws", Status.INCOMPLETE, [outcome(scope("us-east-1"), State.HELD, "x")], many))
    shown = [line for line in render(one, "table").splitlines() if re.match("(held|warning) ", line)]
    assert len(shown) == 6
    assert "… and 39 more of AWS (37 no_price_jump, 2 price_in_band), all in --report" in render(one, "table")
    kept = json.loads(render(one, "json"))["providers"][0]["findings"]
    assert [found["id"] for found in kept] == [found.id for found in many]


def test_no_provider_takes_more_than_about_ten_lines() -> None:
    many = [
        finding(scope("us-east-1"), f"t{number}", check=f"check_{kind}")
        for kind in range(9)
        for number in range(5)
    ]
    text = render(report(provider("aws", Status.INCOMPLETE, [], many)), "table")
    assert sum(line.startswith("held ") for line in text.splitlines()) == 10


def test_the_json_report_has_everything() -> None:
    content = json.loads(render(MIXED, "json"))
    assert content["schema_version"] == "1.0"
    assert (content["exit_code"], content["dry_run"]) == (4, False)
    assert content["started_at"] == "2026-11-21T02:00:00+00:00"
    assert content["tiers"] == ["on_demand", "spot", "reserved"]
    aws, gcp = content["providers"]
    assert (aws["status"], gcp["status"]) == ("incomplete", "good")
    assert (aws["snapshot_id"], aws["source_version"], aws["counts"]) == (
        7,
        "20260910195514",
        {"requests": 12},
    )
    assert aws["scopes"][2] == {
        "region": "eu-west-1",
        "tier": "on_demand",
        "state": "failed",
        "reason": "did not answer",
        "offers": 10,
        "missing": 2,
        "observed_at": "2026-11-20T02:00:00+00:00",
    }
    assert aws["findings"][0] == {
        "id": "no_price_jump:aws/us-east-1/on_demand/p5.48xlarge",
        "check": "no_price_jump",
        "severity": "hold",
        "acknowledged": False,
        "holds": True,
        "region": "us-east-1",
        "tier": "on_demand",
        "subject": "p5.48xlarge",
        "message": "98.32 → 55.04",
    }
    assert json.loads(render(NOTHING, "json"))["providers"][0]["scopes"][0]["observed_at"] is None


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean json"):
        render(GOOD, "jsn")


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


def test_the_nightly_and_the_hourly_job_share_no_series() -> None:
    """The textfile collector refuses a series that stands in two files."""
    hourly = replace(MIXED, tiers=(Tier.SPOT,))
    assert not parsed(metrics_text(MIXED)).keys() & parsed(metrics_text(hourly)).keys()


def test_labels_are_escaped() -> None:
    odd = report(provider('a"b\\c\nd', Status.GOOD, [outcome(scope("x", provider='a"b\\c\nd'))]))
    text = metrics_text(odd)
    assert parsed(text)
    assert 'provider="a\\"b\\\\c\\nd"' in text
