"""`prices diff` and `prices history` on a real store: what they answer, and what they refuse."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import dated_refreshes
import pytest
from dated_refreshes import NOW, TYPE, days_ago, flat, offer, records, snapshot, stored

from optimiser.prices.store import open_store, save_spot_history
from providers.fetch import SpotPrice
from providers.offer import Tier

Run = Callable[..., Any]
Fails = Callable[..., str]


@pytest.fixture
def two_days(tmp_path: Path) -> str:
    return stored(tmp_path, *dated_refreshes.two_days())


@pytest.fixture
def a_week(tmp_path: Path) -> str:
    return stored(tmp_path, *dated_refreshes.a_week())


def changes(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["change"], row["instance_type"], row["tier"]) for row in rows]


def test_two_snapshots_compared(run: Run, two_days: str) -> None:
    ran = run("prices", "diff", "1", "2", "--store", two_days, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    content = json.loads(ran.out)
    assert changes(content["changes"]) == [
        ("changed", TYPE, "on_demand"),
        ("missing", TYPE, "spot"),
        ("gone", "g5.48xlarge", "on_demand"),
        ("new", "g6.48xlarge", "on_demand"),
    ]
    fall, lost, *_ = content["changes"]
    assert (fall["old_usd_per_hour"], fall["new_usd_per_hour"], fall["change_percent"]) == (
        "50",
        "40",
        "-20.0000",
    )
    assert (lost["zone"], lost["reason"]) == ("use1-az1", "no spare capacity")
    assert (content["only_in_a"], content["only_in_b"]) == (
        ["aws/us-west-2/on_demand"],
        ["aws/eu-west-1/on_demand"],
    )
    table = run("prices", "diff", "1", "2", "--store", two_days).out
    assert table.startswith("1 changed, 1 no longer sold, 1 gone without a reason, 1 new")
    assert "AWS on demand us-west-2" in table
    assert max(map(len, table.splitlines())) <= 100


def test_two_days_compared_are_what_held_at_their_end(run: Run, two_days: str) -> None:
    days = [f"{days_ago(days).date()}" for days in (2, 1)]
    content = json.loads(run("prices", "diff", *days, "--store", two_days, "--format", "json").out)
    assert changes(content["changes"])[0] == ("changed", TYPE, "on_demand")
    # The west was not asked on the second day: what held there still does.
    assert (content["only_in_a"], content["unchanged"]) == ([], 1)
    same = run("prices", "diff", days[1], "2", "--store", two_days, "--provider", "aws")
    assert same.out.startswith("No change, 3 prices the same in 3 regions and tiers")


def test_a_snapshot_against_a_day_is_of_the_snapshots_provider_alone(run: Run, two_days: str) -> None:
    ran = run("prices", "diff", "1", f"{NOW.date()}", "--store", two_days, "--format", "json")
    content = json.loads(ran.out)
    assert content["only_in_b"] == ["aws/eu-west-1/on_demand"]
    assert len(content["changes"]) == 4


def test_a_tier_alone_and_csv(run: Run, two_days: str) -> None:
    ran = run("prices", "diff", "1", "2", "--tier", "spot", "--format", "csv", "--store", two_days)
    assert changes(records(ran.out)) == [("missing", TYPE, "spot")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1", "3"), "are of different providers"),
        (("1", "9"), "there is no snapshot 9: the newest is 3"),
        (("1", "yesterday"), "'yesterday': a snapshot's number such as 12, or a day"),
        (("2026-02-30", "1"), "there is no such day"),
        (("1999-01-01", "1"), "held no prices at the end of that day"),
        (("2999-01-01", "1"), "this day is yet to come"),
        (("1", "2", "--tier", "sport"), "--tier 'sport': no such tier; did you mean spot?"),
        (("1", "2", "--provider", "gcp"), "no such provider; known: aws"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    fails: Fails, two_days: str, arguments: tuple[str, ...], said: str
) -> None:
    assert said in fails(2, "prices", "diff", *arguments, "--store", two_days)


def test_the_history_of_an_instance_type(run: Run, a_week: str) -> None:
    ran = run("prices", "history", "--instance-type", TYPE, "--days", "8", "--store", a_week)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"{TYPE}, 8 days to ")
    assert "2 prices now, from 20.00 $/h (AWS use1-az1, spot)" in flat(ran.out)
    figures = [line.split() for line in lines if line.startswith(("a  ", "b  "))]
    # Spot: 27, 26, 25, 23, 21 and 20, the median between 25 and 23; 20 / 27 is −26 %.
    assert figures[0] == [
        "a",
        "AWS",
        "use1-az1",
        "spot",
        "20.00",
        "20.00",
        "24.00",
        "27.00",
        "−26",
        "%",
        "6",
        "×",
    ]
    # On demand: three nights at 55.04, four at 49.5; 49.5 / 55.04 is −10 %.
    assert figures[1][2:] == [
        "us-east-1",
        "on",
        "demand",
        "49.50",
        "49.50",
        "49.50",
        "55.04",
        "−10",
        "%",
        "7",
        "×",
    ]
    spot_strip = next(line for line in lines if line.startswith("       a │"))
    on_demand_strip = next(line for line in lines if line.startswith("       b │"))
    # Columns of 3 h: the 6 h off sale touch three of them.
    assert "───     ×××     ───" in spot_strip
    assert "×" not in on_demand_strip
    # The night left out: of 48 h between two refreshes 36 are carried, and 12 are blank.
    assert "─   ─" in on_demand_strip


def test_every_point_is_in_json_and_csv(run: Run, a_week: str) -> None:
    asked = ("prices", "history", "--instance-type", TYPE, "--store", a_week, "--tier", "spot")
    rows = records(run(*asked, "--format", "csv").out)
    assert [row["usd_per_hour"] for row in rows] == ["27", "26", "25", "23", "", "21", "20"]
    assert rows[4]["missing_reason"] == "no spare capacity"
    assert json.loads(run(*asked, "--format", "json", "--days", "4").out)[0]["usd_per_hour"] == "23"


def test_what_is_paid_up_front_is_spread_over_the_term(run: Run, tmp_path: Path) -> None:
    terms = {
        "tier": Tier.RESERVED,
        "kind": "reserved_instance",
        "term_months": 36,
        "payment": "partial_upfront",
    }
    # 26,280 $ over 3 years of 8,760 h are 1 $/h.
    url = stored(tmp_path, snapshot(days_ago(1), offer("20.5", upfront_usd=Decimal(26280), **terms)))
    asked = ("prices", "history", "--instance-type", TYPE, "--store", url)
    (row,) = json.loads(run(*asked, "--format", "json").out)
    assert (row["usd_per_hour"], row["upfront_usd"]) == ("20.5", "26280")
    assert Decimal(row["amortised_usd_per_hour"]) == Decimal("21.5")
    assert "from 21.50 $/h (AWS us-east-1, reserved 36 m partial upfront)" in flat(run(*asked).out)


def test_steps_that_a_cloud_told_are_part_of_the_history(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(1), offer("20", tier=Tier.SPOT, zone="use1-az1")))
    step = SpotPrice(
        provider="aws",
        region="us-east-1",
        zone="use1-az1",
        instance_type=TYPE,
        usd_per_hour=Decimal("18.25"),
        since=days_ago(9),
    )
    with open_store(url) as store:
        save_spot_history(store, [step])
    rows = records(run("prices", "history", "--instance-type", TYPE, "--format", "csv", "--store", url).out)
    assert [(row["usd_per_hour"], row["snapshot_id"]) for row in rows] == [("18.25", "0"), ("20", "1")]


def test_places_narrow_the_history(run: Run, two_days: str) -> None:
    asked = ("prices", "history", "--instance-type", TYPE, "--format", "csv", "--store", two_days)
    found = {name: records(run(*asked, *options).out) for name, options in {
        "gcp": ("--provider", "gcp"),
        "west": ("--region", "us-west-2"),
        "two": ("--region", "us-west-2", "--region", "eu-west-1"),
        "zone": ("--zone", "use1-az1", "--tier", "spot"),
    }.items()}  # fmt: skip
    assert {name: len(rows) for name, rows in found.items()} == {"gcp": 1, "west": 1, "two": 2, "zone": 2}
    assert found["gcp"][0]["usd_per_hour"] == "88"


def test_a_known_type_without_prices_is_no_error(run: Run, two_days: str) -> None:
    ran = run("prices", "history", "--instance-type", "p4d.24xlarge", "--store", two_days)
    assert (ran.code, ran.err) == (0, "")
    assert "no price was fetched in that time" in ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--instance-type", "p5.48xlrge"), "did you mean p5.48xlarge"),
        (("--instance-type", TYPE, "--instance-type", "g6.xlarge"), "one at a time"),
        (("--instance-type", TYPE, "--days", "0"), "--days: days = 0: a whole number from 1 to 3650"),
        (("--instance-type", TYPE, "--days", "3651"), "3651"),
        (("--instance-type", TYPE, "--region", "us-east-9"), "did you mean us-east-1"),
        (("--instance-type", TYPE, "--provider", "asw"), "did you mean aws"),
        (("--instance-type", TYPE, "--tier", "reserve"), "did you mean reserved"),
        (("--instance-type", TYPE, "--zone", "use1-az9"), "did you mean use1-az1"),
    ],
)
def test_a_history_of_what_is_not_known_is_refused(
    fails: Fails, two_days: str, options: tuple[str, ...], said: str
) -> None:
    assert said in fails(2, "prices", "history", *options, "--store", two_days)
