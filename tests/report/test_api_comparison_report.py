"""Self-hosting beside token APIs in every format, of a comparison made by hand."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from optimiser.costing.api_break_even import ApiComparison, BreakEven, PlannedVolume, Spread
from optimiser.costing.api_prices import HostPrice
from optimiser.planning.price_ages import OldestPrice
from optimiser.report.api_comparison import render_comparison

# 100,000 requests a day of 1,000 tokens: 3,041.667M tokens a month.
CROSSED = BreakEven(
    against="the median host",
    usd_per_million_tokens=Decimal("2.0000"),
    dearer_at_requests_per_day=200_000.0,
    cheaper_at_requests_per_day=215_000.0,
    dearer_at_tokens_per_day=2e8,
    cheaper_at_tokens_per_day=2.15e8,
)


def host(name: str, usd_per_request: str, cached: Decimal | None = None) -> HostPrice:
    return HostPrice(
        host=name,
        model_id=f"{name}/m",
        input_usd_per_million=Decimal(1),
        cached_usd_per_million=cached,
        output_usd_per_million=Decimal(4),
        usd_per_request=Decimal(usd_per_request),
    )


FOUND = ApiComparison(
    workload="chat",
    model="m-70b",
    prices_of="genai-prices 9.9.9",
    planned_on=date(2026, 6, 1),
    requests_per_day=100_000.0,
    tokens_per_request=1000.0,
    cached_share=0.37,
    self_hosted_monthly_usd=Decimal("9125.00"),
    self_hosted_usd_per_million=Decimal("3.0000"),
    sites=(("aws", "us-east-1"),),
    hosts=(host("cheap", "0.001", Decimal("0.5")), host("dear", "0.003")),
    api_monthly_usd=Spread(
        least=Decimal("3041.67"),
        lower_quartile=Decimal("4562.40"),
        median=Decimal("6083.33"),
        upper_quartile=Decimal("7604.17"),
        most=Decimal("9125.00"),
    ),
    break_even=(CROSSED,),
    volumes=(
        PlannedVolume(
            requests_per_day=100_000.0,
            self_hosted_monthly_usd=Decimal("9125.00"),
            self_hosted_usd_per_million=Decimal("3.0000"),
            estimate_relative_error=0.13,
            oldest_prices=(),
        ),
        PlannedVolume(
            requests_per_day=800_000.0,
            self_hosted_monthly_usd=None,
            self_hosted_usd_per_million=None,
            estimate_relative_error=None,
            oldest_prices=(),
        ),
    ),
    estimate_relative_error=0.21,
    oldest_prices=(
        OldestPrice(tier="on_demand", observed_on=date(2026, 5, 22), age_days=10, past_limit=False),
        OldestPrice(tier="spot", observed_on=date(2026, 5, 24), age_days=8, past_limit=False),
    ),
    leaves_out=("staff", "rate limits"),
    notes=("a host left",),
)


def table(found: ApiComparison) -> str:
    return " ".join(render_comparison("table", found, colour=False).split())


def test_the_table_says_what_costs_what_and_from_where_on() -> None:
    text = table(FOUND)
    for said in (
        "chat: self-hosting m-70b costs $9,125 a month, 1.5 times the median of 2 token APIs ($6,083)",
        "self-hosted, AWS us-east-1 $9,125 3.000",
        "token APIs, lower quartile $4,562 1.500",
        "100,000 requests a day of 1,000 tokens, 37 % of prompts cached. Token prices are those that genai-prices "
        "9.9.9 has for 2026-06-01. Throughput ±21 % (median error). Oldest prices: on demand of 2026-05-22, spot of "
        "2026-05-24. These are the widest error and the oldest prices of all volumes planned; --format json has each "
        "volume's own.",
        "cheap $3,042 1.000 1.000 0.500 4.000 cheap/m",
        "dear $9,125 3.000 1.000 4.000 dear/m",
        "Against the median host (2.000 $ per 1M tokens) self-hosting becomes cheaper between 200,000 requests a day "
        "(200M tokens) and 215,000 requests a day (215M tokens).",
        "800,000 —",
        "Not compared staff; rate limits.",
        "a host left",
    ):
        assert said in text


def test_old_prices_are_said_beside_the_amount_and_dated() -> None:
    first, spot = FOUND.oldest_prices
    text = table(replace(FOUND, oldest_prices=(first, replace(spot, past_limit=True))))
    assert "costs $9,125 a month at OLD PRICES, 1.5 times" in text
    assert "Oldest prices: on demand of 2026-05-22, spot of 2026-05-24 (8 days: OLD)." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"cheaper_at_requests_per_day": None},
            "dearer at every volume planned, up to 200,000 requests a day",
        ),
        (
            {"cheaper_at_requests_per_day": None, "why_no_further": "no quota"},
            "up to 200,000 requests a day (200M tokens): no quota",
        ),
        ({"dearer_at_requests_per_day": None}, "is cheaper from 215,000 requests a day (215M tokens) on"),
    ],
)
def test_a_bracket_with_one_end_says_so(change: dict[str, object], said: str) -> None:
    one = replace(CROSSED, **change)  # type: ignore[arg-type]
    assert said in table(replace(FOUND, break_even=(one,)))


def test_json_is_one_object_and_csv_a_row_for_each_way() -> None:
    found = json.loads(render_comparison("json", FOUND, colour=False))
    assert found["hosts"][0]["usd_per_request"] == "0.001"
    assert found["estimate_relative_error"] == 0.21
    spot = {"tier": "spot", "observed_on": "2026-05-24", "age_days": 8, "past_limit": False}
    assert found["oldest_prices"][1] == spot
    assert [one["estimate_relative_error"] for one in found["volumes"]] == [0.13, None]
    rows = list(csv.DictReader(io.StringIO(render_comparison("csv", FOUND, colour=False))))
    assert [row["host"] for row in rows] == ["self-hosted", "cheap", "dear"]
    # 3,041,667 requests a month at 0.001 and 0.003 USD.
    assert [row["monthly_usd"] for row in rows] == ["9125.00", "3041.67", "9125.00"]
    assert [row["estimate_relative_error"] for row in rows] == ["0.21", "", ""]
    assert json.loads(rows[0]["oldest_prices"].split("; ")[1]) == spot
    assert [row["cached_usd_per_million"] for row in rows] == ["", "0.5", ""]
