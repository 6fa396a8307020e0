"""What a million tokens cost on demand: by hand, and by the same rules as a plan."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from planning_cases import estimate, shape

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.token_costs import TokenCost, token_costs
from optimiser.policy import Overheads, Policy
from optimiser.prices.book import load_book
from optimiser.workload import load_workload
from providers.shape import InstanceShape, Obtainability

HEADER = (
    "provider,region,region_kind,instance_type,tier,market,usd_per_hour,observed_on,source,contract,"
    "max_instances,kind,term_months"
)
WORKLOAD = "name: w\nmodel: llama-3.1-8b\ndemand: {requests_per_second: 1}\nsizes:\n  buckets:\n"
WORKLOAD += "    - {prompt_tokens: 900, output_tokens: 100, share: 0.5}\n"
WORKLOAD += "    - {prompt_tokens: 2900, output_tokens: 100, share: 0.5}\n"
# 10 req/s ± 1/9: 10 / (1 + 1/9) = 9 are planned on; 9 × 3,600 × (½ · 1,000 + ½ · 3,000) = 64.8 million tokens an hour.
NINTH = 1 / 9
TEN = replace(estimate("m", 10.0), relative_error=NINTH)


def row(usd: str, region: str = "us-east-1", **other: str) -> str:
    fields = {
        "provider": "aws", "region": region, "region_kind": "region", "instance_type": "m", "tier": "on_demand",
        "market": "standard", "usd_per_hour": usd, "observed_on": "2026-01-01", "source": "by hand",
        "contract": "", "max_instances": "", "kind": "", "term_months": "",
    } | other  # fmt: skip
    return ",".join(fields[name] for name in HEADER.split(","))


class Costs:
    """token_costs over price rows and a workload written to files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(
        self,
        *rows: str,
        estimates: Sequence[Estimate] = (TEN,),
        obtainability: Obtainability = Obtainability.ELASTIC,
        max_age_days: int | None = None,
        **policy: object,
    ) -> tuple[TokenCost, ...]:
        names = {one.instance_type for one in estimates}
        shapes: dict[tuple[str, str], InstanceShape] = {
            ("aws", name): shape(name, obtainability=obtainability) for name in names
        }
        prices, chat = self.directory / "aws.csv", self.directory / "w.yaml"
        prices.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
        chat.write_text(WORKLOAD, encoding="utf-8")
        book = load_book([prices], shapes, date(2026, 1, 11))
        asked = Policy(**policy)  # type: ignore[arg-type]
        return token_costs(
            estimates, shapes, book, load_workload(chat), asked, {"on_demand": max_age_days, "spot": 1}
        )


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    return Costs(tmp_path)


def said(found: TokenCost) -> tuple[str, Decimal | None]:
    return (found.offer.region if found.offer else "", found.usd_per_million_tokens)


def test_by_hand(costs: Costs) -> None:
    (found,) = costs(row("64.8"), row("32.4", "us-east-2"))
    assert found.estimate is TEN
    assert (found.planned_rps, said(found)) == (9.0, ("us-east-2", Decimal("0.5000")))


def test_the_rate_is_the_one_a_plan_takes_rounded_down_to_four_digits(costs: Costs) -> None:
    # 12.34567 less nothing is planned at 12.34: 12.34 × 7.2 million tokens an hour for 88.848 USD.
    (found,) = costs(
        row("88.848"), estimates=[replace(TEN, requests_per_second=12.34567)], performance_margin=0.0
    )
    assert (found.planned_rps, found.usd_per_million_tokens) == (12.34, Decimal("1.0000"))


def test_a_group_is_paid_whole_with_the_overheads_of_its_nodes(costs: Costs) -> None:
    group = estimate("m", 10.0, instances_per_unit=2, relative_error=NINTH)
    (found,) = costs(row("30"), estimates=[group], overheads=Overheads(usd_per_node_hour=2.4))
    assert found.usd_per_million_tokens == Decimal("1.0000")  # 2 × 32.4 / 64.8
    assert found.offer is not None
    assert found.offer.usd_per_hour == 30


@pytest.mark.parametrize(
    ("obtainability", "priced"),
    [
        (Obtainability.ELASTIC, True),
        (Obtainability.SCARCE, True),
        (Obtainability.RESERVATION_ONLY, False),
        (Obtainability.SPOT_ONLY, False),
    ],
)
def test_a_list_price_is_no_price_where_the_machine_cannot_be_had(
    costs: Costs, obtainability: Obtainability, priced: bool
) -> None:
    (found,) = costs(row("64.8"), obtainability=obtainability)
    assert (found.usd_per_million_tokens is not None, found.offer is not None) == (priced, priced)
    assert found.planned_rps == 9.0
    (assumed,) = costs(row("64.8"), obtainability=obtainability, assume_obtainable=True)
    assert assumed.usd_per_million_tokens == 1


def test_the_policy_says_which_prices_count(costs: Costs) -> None:
    rows = (
        row("64.8"),
        row("32.4", "eu-west-1"),
        row("16.2", "us-gov-west-1", region_kind="government"),
        row("8.1", "us-east-1", region_kind="local_zone", contract="local"),
        row("6.48", market="capacity_block"),
    )
    assert said(costs(*rows)[0]) == ("eu-west-1", Decimal("0.5000"))
    # A named region brings its own prices, not those of the local zones filed under its name.
    assert said(costs(*rows, regions=("us-east-1",))[0]) == ("us-east-1", Decimal("1.0000"))
    assert said(costs(*rows, regions=("us-gov-west-1",))[0]) == ("us-gov-west-1", Decimal("0.2500"))
    assert said(costs(*rows, markets=("standard", "capacity_block"))[0]) == ("us-east-1", Decimal("0.1000"))
    assert said(costs(*rows, tiers=("spot", "reserved"))[0]) == ("", None)
    assert said(costs(*rows, regions=("ap-south-1",))[0]) == ("", None)


def test_only_on_demand_counts(costs: Costs) -> None:
    reserved = row("6.48", tier="reserved", kind="reserved_instance", term_months="12")
    (found,) = costs(row("64.8"), row("25.92", tier="spot", observed_on="2026-01-11"), reserved)
    assert found.usd_per_million_tokens == 1


def test_a_contract_counts_where_it_is_large_enough_for_a_unit(costs: Costs) -> None:
    rows = (row("64.8"), row("32.4", contract="deal", max_instances="3"))
    sizes = [estimate("m", 10.0 * size, instances_per_unit=size, relative_error=NINTH) for size in (2, 4)]
    assert [one.usd_per_million_tokens for one in costs(*rows, estimates=sizes[:1])] == [Decimal("0.5000")]
    assert [one.usd_per_million_tokens for one in costs(*rows, estimates=sizes[1:])] == [Decimal("1.0000")]


@pytest.mark.parametrize(("limit", "usd"), [(None, "0.5000"), (10, "0.5000"), (9, "1.0000")])
def test_prices_past_their_age_limit_do_not_count(costs: Costs, limit: int | None, usd: str) -> None:
    # On 2026-01-11 the cheaper price is 10 days old.
    rows = (row("32.4", "us-east-2"), row("64.8", observed_on="2026-01-10"))
    assert costs(*rows, max_age_days=limit)[0].usd_per_million_tokens == Decimal(usd)


def test_answers_come_in_the_order_of_the_estimates_and_of_equal_prices_the_first_id(costs: Costs) -> None:
    small = estimate("a", 10.0, relative_error=NINTH)
    rows = (row("64.8", "us-west-2"), row("64.8", "us-east-1"), row("32.4", instance_type="a"))
    found = costs(*rows, estimates=[TEN, small])
    assert [one.estimate for one in found] == [TEN, small]
    assert [said(one) for one in found] == [
        ("us-east-1", Decimal("1.0000")),
        ("us-east-1", Decimal("0.5000")),
    ]
