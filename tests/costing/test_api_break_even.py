"""Break-even with token APIs: by hand, in what a bracket promises, and where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.costing.api_break_even import (
    DAYS_PER_MONTH,
    FARTHEST,
    NEAR,
    BreakEven,
    Volumes,
    break_even,
    counted_hosts,
    spread_of,
)
from optimiser.costing.api_prices import HostPrice
from optimiser.planning.plan import SECONDS_PER_MONTH
from optimiser.recommend import Request, at_demand, prepared, recommend
from optimiser.workload import DemandPeriod, DemandScenario, SizeBucket, Workload
from optimiser.workload.volume import mean_rps, times

# A month of 730,000 requests of 1,000 tokens; an API asks 0.001 USD each, so 730 USD and 1 USD per 1M tokens.
REQUESTS, TOKENS, API = 730_000.0, 1000.0, Decimal(730)


def against(cost_at: Callable[[float], Decimal | str]) -> BreakEven:
    return break_even(cost_at, "one", API, REQUESTS, TOKENS)


def factors(found: BreakEven) -> tuple[float | None, float | None]:
    day = REQUESTS / DAYS_PER_MONTH
    ends = (found.dearer_at_requests_per_day, found.cheaper_at_requests_per_day)
    low, high = (None if end is None else end / day for end in ends)
    return low, high


def test_a_fleet_of_one_machine_by_hand() -> None:
    # 7,300 USD a month whatever comes: as dear as the API at ten times the volume, 240,000 requests a day.
    found = against(lambda _: Decimal(7300))
    low, high = factors(found)
    assert low is not None
    assert high is not None
    assert low < 10 <= high <= low * NEAR
    assert found.usd_per_million_tokens == 1
    assert found.cheaper_at_tokens_per_day == pytest.approx(high * 24_000 * 1000)


def test_a_fleet_that_is_cheaper_already_is_followed_down() -> None:
    # 73 USD whatever comes: a tenth of the volume.
    low, high = factors(against(lambda _: Decimal(73)))
    assert (low or 0) < 0.1 <= (high or 0)


def test_a_fleet_dearer_at_every_volume_says_how_far_was_looked() -> None:
    found = against(lambda factor: Decimal(800) * Decimal(str(factor)))
    assert factors(found) == (pytest.approx(FARTHEST), None)
    assert found.why_no_further == ""


def test_where_so_much_cannot_be_planned_the_reason_stands() -> None:
    found = against(lambda factor: "too much" if factor > 10 else Decimal(1_000_000))
    assert factors(found) == (pytest.approx(8.0), None)
    assert found.why_no_further == "too much"


def test_a_fleet_cheaper_at_every_volume_worth_a_plan_has_no_dearer_end() -> None:
    found = against(lambda factor: Decimal("0.01") * Decimal(str(factor)))
    low, high = factors(found)
    assert low is None
    assert (high or 1) < 0.02
    assert found.why_no_further == "fewer requests are not worth a plan"


@settings(max_examples=100)
@given(fixed=st.integers(1, 10_000), machine=st.integers(1, 600), holds=st.floats(0.5, 3.0))
def test_the_ends_of_a_bracket_are_what_they_say_and_near(fixed: int, machine: int, holds: float) -> None:
    """A floor and whole machines, each of which holds a multiple of the volume."""

    def cost(factor: float) -> Decimal:
        return Decimal(fixed) + machine * ceil(factor / holds)

    low, high = factors(against(cost))
    if low is not None:
        assert cost(low * (1 + 1e-12)) >= API * Decimal(str(low)) * Decimal("0.999999")
    if high is not None:
        assert cost(high * (1 - 1e-12)) <= API * Decimal(str(high)) * Decimal("1.000001")
    if low is not None and high is not None:
        assert low < high <= low * NEAR * (1 + 1e-9)


def test_quartiles_by_hand() -> None:
    found = spread_of([Decimal(each) for each in (10, 20, 30, 40, 60)])
    assert vars(found) == {
        "least": 10,
        "lower_quartile": 20,
        "median": 30,
        "upper_quartile": 40,
        "most": 60,
    }
    assert set(vars(spread_of([Decimal(7)])).values()) == {Decimal(7)}


def test_who_resells_other_hosts_is_not_one_of_them() -> None:
    price = HostPrice(
        host="maker",
        model_id="m",
        input_usd_per_million=Decimal(1),
        cached_usd_per_million=None,
        output_usd_per_million=Decimal(2),
        usd_per_request=Decimal("0.1"),
    )
    reseller = replace(price, host="router", resells=True)
    assert counted_hosts((reseller, price)) == (price,)
    assert counted_hosts((reseller,)) == (reseller,)


def workload(**changes: object) -> Workload:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    periods = (
        DemandPeriod(start=start, hours=1.0, mean_rps=3.0, peak_10min_rps=4.0),
        DemandPeriod(start=start.replace(hour=1), hours=1.0, mean_rps=1.0),
    )
    made = Workload(
        name="w",
        model="llama-3.1-8b",
        target=None,
        buckets=(SizeBucket(prompt_tokens=900, output_tokens=100, share=1.0),),
        periods=periods,
        policy={},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_requests_of_a_month_by_hand() -> None:
    # 2 req/s on average: 2 × 3,600 × 730.
    assert mean_rps(workload()) * SECONDS_PER_MONTH == pytest.approx(5_256_000)
    quiet = DemandScenario(name="quiet", probability=0.75, periods=times(workload(), 0.5).periods)
    busy = DemandScenario(name="busy", probability=0.25, periods=times(workload(), 2.0).periods)
    # 0.75 × 1 + 0.25 × 4 req/s.
    assert mean_rps(workload(scenarios=(quiet, busy))) * SECONDS_PER_MONTH == pytest.approx(1.75 * 3600 * 730)


def test_another_volume_is_planned_as_that_workload_would_be_and_once() -> None:
    config = load_config()
    path = config.find_workload("code-llama-8b")
    asked = Request(
        workload=load_workload(path, {}),
        policy=Policy.model_validate({"regions": ("us-east-2",), "tiers": ("on_demand",)}),
        config=config,
        book=load_book(config.price_files, config.shapes, date(2026, 11, 21)),
        as_of=date(2026, 11, 21),
    )
    volumes = Volumes(asked, recommend(asked), prepared(asked))
    # The workload itself is a quarter of its profile.
    twice = recommend(replace(asked, workload=load_workload(path, {"demand.scale": "0.5"})))
    assert volumes(2.0) == twice.totals.total_monthly_usd
    assert set(volumes.known) == {1.0, 2.0}
    budget = replace(asked, policy=asked.policy.model_copy(update={"max_monthly_usd": 1.0}))
    assert isinstance(Volumes(budget, recommend(asked), prepared(asked))(2.0), str)


@pytest.mark.parametrize("burstiness", ["arrival_cv", "service_arrival_cv"])
def test_what_is_prepared_for_another_demand_is_what_that_workload_prepares(burstiness: str) -> None:
    config = load_config()
    path = config.find_workload("code-llama-8b")
    once = Request(
        workload=load_workload(path, {f"target.{burstiness}": "1.5", "target.ttft_ms": "5000"}),
        policy=Policy.model_validate({"regions": ("us-east-2",), "gpus": ("H100",)}),
        config=config,
        book=load_book(config.price_files, config.shapes, date(2026, 11, 21)),
        as_of=date(2026, 11, 21),
    )
    tenfold = replace(once, workload=times(once.workload, 10.0))
    known, reused, anew = prepared(once), at_demand(prepared(once), tenfold), prepared(tenfold)
    assert [one.rate_rps for one in reused.problem.options] == [one.rate_rps for one in anew.problem.options]
    assert reused.problem.mean_rps.tolist() == anew.problem.mean_rps.tolist()
    assert (reused.estimates == known.estimates) is (burstiness == "arrival_cv")
