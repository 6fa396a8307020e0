"""The status of the price store as people and monitors read it; goldens worked by hand."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimiser.config.settings import LivePriceLimits
from optimiser.errors import UsageError
from optimiser.prices.refreshed import Finding, Severity, Snapshot, Status
from optimiser.report.status_page import render_status
from optimiser.report.store_status import StoreStatus, status_of
from providers.fetch import Quota, Scope
from providers.offer import Tier
from providers.shape import QuotaUnit

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = LivePriceLimits(
    warn_after_hours={"on_demand": 36, "reserved": 36, "spot": 6}, refuse_after_hours=168
)
EAST, WEST = Scope("aws", "us-east-1", Tier.ON_DEMAND), Scope("aws", "us-west-2", Tier.ON_DEMAND)
SPOT = Scope("aws", "us-east-1", Tier.SPOT)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def refresh(number: int, hours: float, **fields: Any) -> Snapshot:
    """A refresh of AWS that took six minutes and ended so many hours ago."""
    return Snapshot(
        **{
            "id": number,
            "provider": "aws",
            "started_at": ago(hours + 0.1),
            "finished_at": ago(hours),
            "source_version": "",
            "status": Status.GOOD,
            "counts": {"requests": 12},
            "findings": (),
            "failures": (),
            **fields,
        }
    )


def jump(scope: Scope, subject: str = "p5.48xlarge", **fields: Any) -> Finding:
    message = f"{subject} from 55.04 to 79.26 $/h (+44 %)"
    return Finding(
        check="no_price_jump", severity=Severity.HOLD, scope=scope, subject=subject, message=message, **fields
    )


def status(
    in_force: Mapping[Scope, tuple[datetime, int]],
    *snapshots: Snapshot,
    limits: LivePriceLimits = LIMITS,
) -> StoreStatus:
    """snapshots are newest first."""
    counts = dict.fromkeys(in_force, (1, 0)) | (
        {EAST: (1235 - len(in_force), 56)} if EAST in in_force else {}
    )
    return status_of("/data/prices.sqlite3", in_force, snapshots, counts, limits, NOW)


def test_a_store_in_order_says_so_first_and_fits_a_screen() -> None:
    found = status(
        {EAST: (ago(30), 1), WEST: (ago(30), 1), SPOT: (ago(0.5), 2)},
        refresh(2, 0.4),
        refresh(1, 29.9, source_version="20261119020000"),
    )
    assert found.in_order
    # The newest refresh was of spot alone: the price list is that of the night before, which is in force.
    assert render_status("table", found) == (
        "in order: 1,234 prices in force in /data/prices.sqlite3\n"
        "\n"
        "Last refresh\n"
        "provider  ended (UTC)          ago  status  warnings  price list      prices  known missing\n"
        "AWS       2026-11-20 11:36  24 min  good           0  20261119020000   1,234             56\n"
        "\n"
        "Age of the prices in force\n"
        "provider  tier       regions  newest  oldest  oldest of               limits\n"
        "AWS       on demand        2    30 h    30 h  2026-11-19 06:00  36 h / 168 h  in time\n"
        "AWS       spot             1  30 min  30 min  2026-11-20 11:30   6 h / 168 h  in time\n"
    )


def test_everything_that_is_wrong_is_in_the_first_line_and_told_below() -> None:
    dead, held = Scope("aws", "eu-north-1", Tier.ON_DEMAND), Scope("aws", "us-west-2", Tier.ON_DEMAND)
    found = status(
        {EAST: (ago(10), 3), dead: (ago(200), 1), held: (ago(58), 2)},
        refresh(3, 9.9, status=Status.INCOMPLETE, findings=(jump(held),), failures=((dead, "it timed out"),)),
        refresh(2, 57.9, status=Status.INCOMPLETE, failures=((dead, "refused"),)),
        refresh(1, 199.9),
    )
    assert not found.in_order
    page = render_status("table", found)
    first = " ".join(page.split("\n\n")[0].split())
    assert first == (
        "NOT IN ORDER (regions and tiers: 1 too old to plan on, 1 older than they should be, 1 held back, "
        "1 not fetched): 1,234 prices in force in /data/prices.sqlite3"
    )
    assert page.split("\n\n")[3:] == [
        "Past a limit\n"
        "AWS on demand, past 168 h, left out of every plan: eu-north-1 (200 h).\n"
        "AWS on demand, past 36 h: us-west-2 (58 h).",
        "Held back until acknowledged\n"
        "provider  tier       since (UTC)       in force meanwhile          regions\n"
        "AWS       on demand  2026-11-20 02:06  prices of 2026-11-18 02:00  us-west-2\n"
        "    p5.48xlarge from 55.04 to 79.26 $/h (+44 %) (accept: --acknowledge\n"
        "    no_price_jump:aws/us-west-2/on_demand/p5.48xlarge)",
        "Could not be fetched\n"
        "provider  tier       since (UTC)       in force meanwhile          regions\n"
        # Since the first failure after its last good refresh, with the newest reason.
        "AWS       on demand  2026-11-18 02:06  prices of 2026-11-12 04:00  eu-north-1\n"
        "    it timed out\n",
    ]


@pytest.mark.parametrize(
    ("hours", "tier", "past"),
    [
        (36, Tier.ON_DEMAND, ""),
        (36.02, Tier.ON_DEMAND, "warn"),
        (6.02, Tier.SPOT, "warn"),
        (36, Tier.RESERVED, ""),
        (168, Tier.ON_DEMAND, "warn"),
        (168.02, Tier.ON_DEMAND, "refuse"),
    ],
)
def test_a_limit_is_passed_after_it_not_at_it(hours: float, tier: Tier, past: str) -> None:
    found = status({Scope("aws", "r", tier): (ago(hours), 1)}, refresh(1, 0))
    (ages,) = found.providers[0].tiers
    assert (len(ages.past_warn), len(ages.past_refuse)) == (past == "warn", past == "refuse")
    assert found.in_order is (not past)


def test_no_limit_is_never_passed() -> None:
    free = LivePriceLimits(warn_after_hours={"on_demand": None}, refuse_after_hours=None)
    found = status({EAST: (ago(5000), 1)}, refresh(1, 5000), limits=free)
    assert found.in_order
    assert "none / none" in render_status("table", found)


@pytest.mark.parametrize("wrong", [Status.INCOMPLETE, Status.FAILED])
def test_a_last_refresh_that_was_not_good_is_not_in_order(wrong: Status) -> None:
    assert status({EAST: (ago(1), 1)}, refresh(1, 1)).in_order
    assert not status({EAST: (ago(1), 1)}, refresh(2, 0.5, status=wrong), refresh(1, 1)).in_order


def test_a_good_refresh_of_spot_does_not_hide_what_the_nightly_one_held_back() -> None:
    found = status(
        {EAST: (ago(30), 1), SPOT: (ago(0.2), 3)},
        refresh(3, 0.1),
        refresh(2, 5, findings=(jump(EAST),), status=Status.INCOMPLETE),
        refresh(1, 30),
    )
    (trouble,) = found.providers[0].troubles
    assert (trouble.region, trouble.tier, trouble.held) == ("us-east-1", "on_demand", True)
    assert trouble.acknowledge == ("no_price_jump:aws/us-east-1/on_demand/p5.48xlarge",)
    assert not found.in_order


def test_what_was_accepted_since_is_no_trouble_any_more() -> None:
    found = status(
        {EAST: (ago(1), 3)},
        refresh(3, 1),
        refresh(2, 25, findings=(jump(EAST),)),
        refresh(1, 49, failures=((EAST, "timed out"),)),
    )
    assert found.providers[0].troubles == ()


def test_an_acknowledged_finding_is_a_warning() -> None:
    found = status({EAST: (ago(1), 1)}, refresh(1, 1, findings=(jump(EAST, acknowledged=True),)))
    assert found.in_order
    assert found.providers[0].last_refresh is not None
    assert found.providers[0].last_refresh.warnings == ("p5.48xlarge from 55.04 to 79.26 $/h (+44 %)",)


def test_a_region_that_was_never_fetched_is_in_trouble_while_it_is_asked_for() -> None:
    failing = refresh(2, 1, failures=((WEST, "AccessDenied"),), status=Status.INCOMPLETE)
    asked = status({EAST: (ago(1), 2)}, failing, refresh(1, 25, failures=((WEST, "AccessDenied"),)))
    (trouble,) = asked.providers[0].troubles
    assert (trouble.in_force_of, trouble.since, trouble.reasons) == (None, ago(25), ("AccessDenied",))
    no_longer = status({EAST: (ago(1), 3)}, refresh(3, 1), failing)
    assert no_longer.providers[0].troubles == ()


def test_the_price_list_named_is_one_that_is_in_force() -> None:
    failed = refresh(2, 1, source_version="20261120", status=Status.FAILED, failures=((EAST, "timed out"),))
    found = status({EAST: (ago(25), 1)}, failed, refresh(1, 25, source_version="20261119"))
    assert found.providers[0].source_version == "20261119"


def test_many_regions_share_a_row_and_are_capped() -> None:
    scopes = [Scope("aws", f"region-{number:02}", Tier.ON_DEMAND) for number in range(20)]
    failures = tuple((scope, "AccessDenied: ec2:DescribeRegions is lacking") for scope in scopes)
    found = status(
        {scope: (ago(40), 1) for scope in scopes},
        refresh(2, 1, failures=failures, status=Status.FAILED),
        refresh(1, 40),
    )
    page = render_status("table", found)
    assert page.count("ec2:DescribeRegions") == 1
    assert page.count("and 12 more") == 2
    assert max(map(len, page.splitlines())) <= 100
    assert len(json.loads(render_status("json", found))["providers"][0]["troubles"]) == 20


def test_many_findings_of_a_region_are_capped_and_counted() -> None:
    findings = tuple(jump(EAST, f"p5.{size}") for size in range(10))
    page = render_status(
        "table", status({EAST: (ago(20), 1)}, refresh(2, 1, findings=findings), refresh(1, 20))
    )
    assert page.count("--acknowledge") == 3
    assert "7 findings more" in " ".join(page.split())


def test_a_provider_whose_every_refresh_failed_is_listed() -> None:
    found = status_of(
        "store",
        {},
        [refresh(1, 2, status=Status.FAILED, failures=((EAST, "no credentials"),))],
        {},
        LIMITS,
        NOW,
    )
    page = render_status("table", found)
    assert "No price is in force." in page
    assert "no credentials" in page
    assert not found.in_order


def test_a_store_without_prices_says_what_to_run() -> None:
    found = status_of("store", {}, [], {}, LIMITS, NOW)
    assert not found.in_order
    assert render_status("table", found) == (
        "The price store store holds no prices yet: run `optimiser refresh`\n"
    )


def test_prices_from_a_clock_that_is_ahead_are_told_as_such() -> None:
    assert "in 2 h" in render_status("table", status({EAST: (ago(-2), 1)}, refresh(1, 1)))


def test_status_json_holds_moments_hours_and_limits() -> None:
    found = json.loads(render_status("json", status({EAST: (ago(40.5), 1)}, refresh(1, 40))))
    assert (found["in_order"], found["at"]) == (False, "2026-11-20T12:00:00Z")
    (provider,) = found["providers"]
    assert provider["last_refresh"]["counts"] == {"requests": 12}
    assert provider["tiers"][0]["past_warn"] == [
        {"region": "us-east-1", "observed_at": "2026-11-18T19:30:00Z", "hours": 40.5}
    ]
    assert (provider["offers"], provider["missing"]) == (1234, 56)


def test_what_is_kept_beside_prices_is_counted_with_its_age() -> None:
    limit = {"quota_family": "P", "unit": QuotaUnit.VCPU, "limit": 192, "used": None}
    seen = {"us-east-1": ago(2), "us-west-2": ago(50)}
    quotas = [
        Quota(provider="aws", region=region, tier=Tier.ON_DEMAND, **limit, observed_at=at)
        for region, at in seen.items()
    ]
    in_force = {EAST: (ago(1), 1)}
    found = status_of("store", in_force, [refresh(1, 1)], {EAST: (5, 0)}, LIMITS, NOW, quotas)
    assert render_status("table", found).endswith(
        "\n\nBeside prices\n"
        "provider  kept    entries  newest  oldest\n"
        "AWS       quotas        2     2 h    50 h\n"
    )
    (kept,) = json.loads(render_status("json", found))["providers"][0]["beside"]
    assert (kept["what"], kept["count"], kept["oldest_at"]) == ("quotas", 2, "2026-11-18T10:00:00Z")
    assert found.in_order


@pytest.mark.parametrize("format_name", ["csv", "tabel"])
def test_status_knows_two_formats(format_name: str) -> None:
    with pytest.raises(UsageError, match="--format"):
        render_status(format_name, status({}))


def test_a_region_where_nothing_is_on_sale_any_more_is_never_late() -> None:
    in_force = {EAST: (ago(1), 2), WEST: (ago(9999), 1)}
    counts = {EAST: (10, 0), WEST: (0, 4)}
    found = status_of("store", in_force, [refresh(2, 1)], counts, LIMITS, NOW)
    assert found.in_order
    (provider,) = found.providers
    assert (provider.offers, provider.missing, provider.tiers[0].regions) == (10, 4, 1)


def test_prices_dated_in_the_future_are_not_in_order() -> None:
    assert not status({EAST: (ago(-24), 1)}, refresh(1, 1)).in_order
