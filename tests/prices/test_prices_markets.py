"""Markets that nothing plans: a slip in the name is told, what is known or allowed is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.prices.book import PriceBook
from optimiser.prices.markets import odd_markets
from optimiser.recommend import Request, recommend

DAY = date(2026, 11, 21)
HEADER = "provider,region,instance_type,tier,market,usd_per_hour,observed_on,source\n"
CONFIG = load_config()


def book_with(folder: Path, *markets: str) -> tuple[Path, PriceBook]:
    path = folder / "own.csv"
    regions = ("us-east-1", "us-east-2", "us-west-2")
    rows = [
        f"aws,{region},p5.48xlarge,on_demand,{market},20,2026-11-11,a quote\n"
        for region, market in zip(regions, markets, strict=False)
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path, load_book([*CONFIG.price_files, path], CONFIG.shapes, DAY)


def test_an_unknown_market_is_told_once_with_its_line_its_count_and_what_may_be_meant(tmp_path: Path) -> None:
    path, book = book_with(tmp_path, "flex_start", "capacity_blok", "capacity_blok")
    (said,) = odd_markets(book.offers, ("standard",))
    assert said == (
        f"{path} line 3: market = 'capacity_blok': planned only where the policy's markets name it "
        "(first of 2 prices; did you mean capacity_block?)"
    )


@pytest.mark.parametrize("market", ["", "standard", "flex_start", "capacity_block", "ours"])
def test_a_known_market_or_one_that_the_policy_names_is_not_told(tmp_path: Path, market: str) -> None:
    _, book = book_with(tmp_path, market)
    assert odd_markets(book.offers, ("standard", "ours")) == ()


def test_the_plan_says_so_until_the_policy_names_the_market(tmp_path: Path) -> None:
    path, book = book_with(tmp_path, "ours")
    policy = Policy(instance_types=("p5.48xlarge",), regions=("us-east-1",), assume_obtainable=True)
    workload = load_workload(CONFIG.find_workload("code-llama-8b"), {"demand": "{requests_per_second: 2}"})

    def notes(*markets: str) -> str:
        asked = policy.model_copy(update={"markets": markets})
        plan = recommend(Request(workload=workload, policy=asked, config=CONFIG, book=book, as_of=DAY))
        return "; ".join(plan.notes)

    said = (
        f"{path} line 2: market = 'ours': planned only where the policy's markets name it (1 price; known: "
    )
    assert said in notes("standard")
    assert "market = " not in notes("standard", "ours")
