"""Planning on the store: which prices a plan rests on, what is said of their age, and when there is none."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dated_refreshes import NOW, TYPE, days_ago, flat, missing, offer, snapshot, stored

from optimiser.prices.store import open_store, save_signals, save_spot_history
from providers.fetch import SpotPrice, SpotSignal
from providers.offer import Tier

Run = Callable[..., Any]
Fails = Callable[..., str]
HOUR = 1 / 24
SPOT = {"tier": Tier.SPOT, "zone": "use1-az1"}


def plan(run: Run, *arguments: str) -> tuple[dict[str, Any], str]:
    ran = run("recommend", "chat-llama-70b", "--format", "json", *arguments)
    assert ran.code == 0, ran.err
    return json.loads(ran.out), ran.err


def offers(content: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["usd_per_hour"] for one in content["offers"]}


def test_a_plan_rests_on_the_store_and_on_nothing_else(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(HOUR), offer("54.32")))
    content, err = plan(run, "--store", url)
    assert offers(content) == {"aws/us-east-1/p5.48xlarge/on_demand": "54.32"}
    assert content["price_sources"] == [f"price store {tmp_path / 'prices.sqlite3'} (snapshot 1)"]
    assert content["providers_left_out"] == [
        {"provider": name, "reason": "prices never fetched"} for name in ("azure", "gcp")
    ]
    (dates,) = content["price_dates"]
    assert (dates["tier"], dates["oldest"], dates["offers"]) == (
        "on_demand",
        days_ago(HOUR).date().isoformat(),
        1,
    )
    assert err.splitlines() == [
        f"warning: {what} were not fetched yet: plans know nothing of them; see `optimiser prices status`"
        for what in ("spot prices of aws", "reserved prices of aws", "prices of gcp", "prices of azure")
    ]
    assert all(line.removeprefix("warning: ") in content["notes"] for line in err.splitlines())


def test_the_store_in_the_data_directory_needs_no_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data/cloud-pricing-optimiser"
    folder.mkdir(parents=True)
    stored(folder, snapshot(days_ago(HOUR), offer("54.32")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert set(offers(plan(run)[0]).values()) == {"54.32"}


def test_spot_of_seven_hours_is_named_in_the_answer_and_beside_it(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(7 * HOUR), offer("54.32"), offer("20", **SPOT)))
    content, err = plan(run, "--store", url)
    said = "spot prices last fetched up to 7 h ago (limit 6 h): aws us-east-1; see `optimiser prices status`"
    assert said in content["notes"]
    assert f"warning: {said}\n" in err


def test_prices_of_eight_days_are_refused(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(8), offer("54.32")))
    ran = run("recommend", "chat-llama-70b", "--store", url)
    assert (ran.code, ran.out) == (4, "")
    assert "run `optimiser refresh`" in ran.err
    assert "live_prices" in ran.err


def test_a_provider_whose_prices_are_too_old_is_missed_in_the_headline(run: Run, tmp_path: Path) -> None:
    here = {"provider": "gcp", "region": "us-central1", "instance_type": "a3-highgpu-8g"}
    url = stored(
        tmp_path,
        snapshot(days_ago(8), offer("60", **here), provider="gcp"),
        snapshot(days_ago(HOUR), offer("54.32")),
    )
    ran = run("recommend", "chat-llama-70b", "--store", url)
    headline = " ".join(ran.out.split())
    assert "without Azure (prices never fetched), GCP (prices too old)" in headline
    alone = run("recommend", "chat-llama-70b", "--store", url, "--provider", "aws")
    assert "without" not in alone.out.splitlines()[0]


def test_a_tier_or_region_past_the_limit_is_missed_in_the_headline(run: Run, tmp_path: Path) -> None:
    west = {"region": "us-west-2"}
    url = stored(
        tmp_path,
        snapshot(days_ago(8), offer("54.32"), offer("54.32", **west)),
        snapshot(days_ago(HOUR), offer("54.32", **west), offer("20", **SPOT)),
    )
    asked = ("recommend", "chat-llama-70b", "--store", url, "--provider", "aws")
    assert "without AWS (prices of 1 region too old)" in " ".join(run(*asked).out.split())
    late = stored(
        tmp_path / "late",
        snapshot(days_ago(8), offer("54.32")),
        snapshot(days_ago(HOUR), offer("20", **SPOT)),
    )
    ran = run("recommend", "chat-llama-70b", "--store", late, "--provider", "aws")
    assert (ran.code, ran.out) == (4, "")
    assert "left out: aws (on demand prices too old): run `optimiser refresh`" in ran.err


def test_a_provider_that_was_never_fetched_cannot_be_planned_on(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(HOUR), offer("54.32")))
    planned = run("recommend", "chat-llama-70b", "--store", url, "--provider", "gcp")
    assert (planned.code, planned.out) == (4, "")
    assert "no prices of gcp (prices never fetched): run `optimiser refresh`" in planned.err
    listed = run("prices", "list", "--store", url, "--provider", "gcp")
    assert (listed.code, listed.out) == (4, "")
    assert "--provider 'gcp': its prices were never fetched" in listed.err


def test_told_otherwise_prices_of_eight_days_will_do(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(8), offer("54.32")))
    (tmp_path / "settings.yaml").write_text("live_prices: {refuse_after_hours: 200}", encoding="utf-8")
    content, err = plan(run, "--store", url, "--config", str(tmp_path))
    assert set(offers(content).values()) == {"54.32"}
    assert "on demand prices last fetched up to 192 h ago (limit 36 h)" in err


def test_a_tier_past_the_limit_is_left_out_while_the_others_serve(run: Run, tmp_path: Path) -> None:
    url = stored(
        tmp_path, snapshot(days_ago(8), offer("20", **SPOT)), snapshot(days_ago(HOUR), offer("54.32"))
    )
    content, err = plan(run, "--store", url)
    assert set(offers(content).values()) == {"54.32"}
    gone = "spot prices last fetched up to 192 h ago (left out past 168 h): aws us-east-1"
    assert f"warning: {gone}; see `optimiser prices status`\n" in err
    assert "not fetched for longer than the store's limit and left out: 1 spot price(s)" in content["notes"]


def test_a_store_without_prices_refuses_unless_the_snapshot_is_asked_for(
    run: Run, fails: Fails, tmp_path: Path
) -> None:
    url = stored(tmp_path)
    assert "holds no prices yet" in fails(4, "recommend", "chat-llama-70b", "--store", url)
    content, _ = plan(run, "--store", url, "--embedded")
    assert any(source.startswith("embedded snapshot") for source in content["price_sources"])


def test_a_named_store_that_is_not_there_is_never_replaced_by_the_snapshot(
    fails: Fails, tmp_path: Path
) -> None:
    said = fails(1, "recommend", "chat-llama-70b", "--store", f"sqlite:///{tmp_path}/nowhere.sqlite3")
    assert "nowhere.sqlite3" in said


def test_a_delisted_type_does_not_return_from_the_snapshot(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(HOUR), missing("no longer on sale")))
    asked = ("prices", "list", "--provider", "aws", "--region", "us-east-1", "--tier", "on_demand")
    ran = run(*asked, "--store", url, "--embedded", "--format", "json")
    (gone,) = [row for row in json.loads(ran.out) if row["instance_type"] == "p5.48xlarge"]
    assert (gone["usd_per_hour"], gone["missing_reason"]) == (None, "no longer on sale")


def test_the_snapshot_fills_only_what_was_never_fetched(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(HOUR), offer("54.32")))
    ran = run("prices", "list", "--provider", "aws", "--store", url, "--embedded", "--format", "json")
    rows = [row for row in json.loads(ran.out) if row["usd_per_hour"] is not None]
    here = [row for row in rows if (row["region"], row["tier"]) == ("us-east-1", "on_demand")]
    assert [row["usd_per_hour"] for row in here] == ["54.32"]
    assert len({row["region"] for row in rows}) > 20


def test_a_day_in_the_past_is_planned_on_what_held_at_its_end(run: Run, fails: Fails, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(2), offer("98.32")), snapshot(NOW, offer("55.04")))
    on = [(NOW - timedelta(days=days)).date().isoformat() for days in (1, 2, 3)]
    assert set(offers(plan(run, "--store", url, "--as-of", on[0])[0]).values()) == {"98.32"}
    assert set(offers(plan(run, "--store", url)[0]).values()) == {"55.04"}
    said = fails(4, "recommend", "chat-llama-70b", "--store", url, "--as-of", on[2])
    assert f"held no prices at the end of {on[2]}" in said


def test_spot_is_planned_at_the_percentile_of_what_the_store_knows_of_its_past(
    run: Run, tmp_path: Path
) -> None:
    url = stored(tmp_path, snapshot(days_ago(HOUR), offer("54.32"), offer("20", **SPOT)))
    pool = {"provider": "aws", "region": "us-east-1", "zone": "use1-az1", "instance_type": TYPE}
    steps = [("15", 40), ("21.3", 29), ("19", 10)]
    with open_store(url) as store:
        save_spot_history(
            store,
            [SpotPrice(**pool, usd_per_hour=Decimal(usd), since=days_ago(ago)) for usd, ago in steps],
        )

    def spot(*settings: str) -> dict[str, Any]:
        content, _ = plan(run, "--store", url, *settings)
        (found,) = [one for one in content["offers"] if one["tier"] == "spot"]
        return found

    # Of 30 days one was at 15, 19 at 21.3 and ten at 20 (the quote, above the last step).
    found = spot()
    assert (found["usd_per_hour"], found["spot"]["expected_usd_per_hour"]) == ("20", "21.3")
    assert found["spot"] | {"price_basis": "percentile", "history_days": 30.0} == found["spot"]
    assert spot("--set", "spot_history_days=9")["spot"]["expected_usd_per_hour"] == "20"
    table = run("recommend", "chat-llama-70b", "--store", url).out
    assert "p5.48xlarge spot: planned at the 80th percentile of 30 days, 21.30;" in flat(table)


def test_a_percentile_outside_its_range_is_refused(fails: Fails) -> None:
    said = fails(2, "recommend", "chat-llama-70b", "--set", "spot_price_percentile=0")
    assert "spot_price_percentile = 0" in said


def test_the_band_a_store_holds_is_the_hazard_and_the_plan_says_whose_it_is(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(3), offer("54.32"), offer("20", **SPOT)))
    band = {"provider": "aws", "region": "us-east-1", "instance_type": TYPE, "savings_percent": 60.0}
    rate = {"low_percent": 5.0, "high_percent": 10.0, "per": "month", "source": "AWS spot advisor"}
    with open_store(url) as store:
        save_signals(store, [SpotSignal(**band, **rate, observed_at=days_ago(1))])

    def spot(*arguments: str) -> dict[str, Any]:
        content, _ = plan(run, "--store", url, *arguments)
        (found,) = [one for one in content["offers"] if one["tier"] == "spot"]
        return found

    # -ln(0.9) / 730 = 0.000144329 an hour, a quarter of an hour each: 3.608e-5 of the time at 54.32 rather than 20.
    found = spot()
    assert found["planned_usd_per_hour"] == "20.001238302"
    assert found["spot"]["interruptions_source"].startswith("AWS spot advisor of ")
    # The day before that the band was not known: 0.025 / 1.025 of the time at 54.32.
    before = spot("--as-of", days_ago(2).date().isoformat())
    assert (before["spot"]["interruptions_source"], before["planned_usd_per_hour"]) == (
        "policy",
        "20.837073171",
    )
