"""The plan of every shipped workload says what it draws and emits, and its report shows it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.config import Config
from optimiser.prices.book import PriceBook
from optimiser.recommend import Request, recommend
from optimiser.report import renderer

DAY = date(2026, 11, 21)
NAMES = ("chat-llama-70b", "code-llama-8b", "rag-qwen-72b", "reasoning-deepseek-r1", "nightly-batch-qwen-32b")


@pytest.fixture(scope="module")
def known() -> tuple[Config, PriceBook]:
    config = load_config()
    return config, load_book(config.price_files, config.shapes, DAY)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_workload_has_its_energy_and_carbon(known: tuple[Config, PriceBook], name: str) -> None:
    config, book = known
    policy = Policy.model_validate({"regions": ("us-east-2",), "tiers": ("on_demand",)})
    workload = load_workload(config.find_workload(name), {})
    plan = recommend(Request(workload=workload, policy=policy, config=config, book=book, as_of=DAY))
    found = plan.footprint
    assert found is not None
    assert None not in {value for part, value in vars(found).items() if part != "power"}
    assert 0 < (found.kwh_monthly_at_load or 0) <= (found.kwh_monthly or 0)
    # Ohio alone is told by its state: 484.56 g/kWh.
    assert found.kg_co2e_monthly == pytest.approx((found.kwh_monthly or 0) * 0.48456)
    tokens = sum(bucket.share * (bucket.prompt_tokens + bucket.output_tokens) for bucket in workload.buckets)
    requests = sum(period.mean_rps * period.hours * 3600 for period in workload.periods)
    month = 730 / sum(period.hours for period in workload.periods)
    per_million = (found.kwh_monthly_at_load or 0) / (tokens * requests * month / 1e6)
    assert found.kwh_per_million_tokens == pytest.approx(per_million, rel=1e-6)
    assert "kWh per 1M tokens" in " ".join(renderer("table")(plan).split())


def test_demand_split_over_regions_loads_each_site_by_its_share(known: tuple[Config, PriceBook]) -> None:
    config, book = known
    policy = Policy.model_validate(
        {"regions": ("us-east-2", "us-west-2"), "tiers": ("on_demand",), "min_regions": 2}
    )
    workload = load_workload(config.find_workload("code-llama-8b"), {})
    plan = recommend(Request(workload=workload, policy=policy, config=config, book=book, as_of=DAY))
    assert len(plan.sites) == 2
    options = {option.id: option for option in plan.options}
    at = {one.id: options[one.option] for one in plan.purchases}
    capacity: dict[tuple[str, int], float] = defaultdict(float)
    for count in plan.counts:
        capacity[at[count.purchase].region, count.period] += count.units * at[count.purchase].rate_rps
    shares = {one.region: one.traffic_share for one in plan.sites}
    for row in plan.energy:
        # Power bends with the load, but a month lies near the line between idle and full.
        unit_hours = line = 0.0
        for count in plan.counts:
            option, period = at[count.purchase], workload.periods[count.period]
            if option.id == row.option:
                load = period.mean_rps * shares[option.region] / capacity[option.region, count.period]
                unit_hours += count.units * period.hours
                line += count.units * period.hours * load
        rise = (row.watts_per_unit - row.idle_watts_per_unit) * line / unit_hours
        watts = (row.kwh_monthly_at_load or 0) / (row.kwh_monthly or 1) * row.watts_per_unit
        assert watts == pytest.approx(row.idle_watts_per_unit + rise, rel=0.15)
