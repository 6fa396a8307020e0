"""A refresh's report: a screen for people, and all of it for machines."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from refresh_outcomes import GOOD, MIXED, NOTHING, finding, outcome, provider, report, scope

from optimiser.errors import UsageError
from optimiser.prices.refreshed import Severity, Status
from optimiser.prices.store import StoreBusy
from optimiser.refresh import RefreshReport, State
from optimiser.report.refresh_report import not_accepted, render, report_json


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
    assert content["schema_version"] == "1.1"
    assert (content["exit_code"], content["dry_run"], content["refused"]) == (4, False, None)
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


def test_what_the_store_refused_is_in_the_table() -> None:
    unstored = replace(GOOD, providers=(replace(GOOD.providers[0], store_error="no room for quotas"),))
    assert "\nThe store failed\nGCP: no room for quotas\n" in render(unstored, "table")
    assert "The store failed" not in render(GOOD, "table")


def test_the_report_of_a_refusal_says_why_in_the_same_schema() -> None:
    whole = json.loads(report_json(GOOD))
    refused = json.loads(report_json(report(), StoreBusy("a refresh is running already (pid 7)")))
    assert refused.keys() == whole.keys()
    assert (refused["refused"], refused["exit_code"]) == ("a refresh is running already (pid 7)", 4)
    assert (refused["providers"], refused["finished_at"]) == ([], "2026-11-21T02:01:30+00:00")


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean json"):
        render(GOOD, "jsn")
