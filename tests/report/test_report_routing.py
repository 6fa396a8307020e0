"""Where request sizes go: the report's table and the file for a gateway, on a plan made by hand."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hand_made_plans import option, plan

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanAlternative, PlanBucket, PlanRoute
from optimiser.report import renderer
from optimiser.report.routing import blocks

SMALL, LARGE = "aws/us-east-1/g6.xlarge", "aws/us-east-1/p5.48xlarge"
SIZES = (
    PlanBucket(prompt_tokens=400.0, output_tokens=50.0, share=0.3),
    PlanBucket(prompt_tokens=420.0, output_tokens=300.0, share=0.1),
    PlanBucket(prompt_tokens=3000.0, output_tokens=50.0, share=0.6),
)


def routed(extra: str = "-500.00") -> Plan:
    """Short prompts half on the small machine, with long answers all; long prompts on the large one. The last of four
    periods sends all to the large one."""
    shares = {0: {SMALL: 0.5, LARGE: 0.5}, 1: {SMALL: 1.0}, 2: {LARGE: 1.0}}
    by_period = [shares, shares, shares, {b: {LARGE: 1.0} for b in range(3)}]
    made = plan()
    blended = PlanAlternative(
        name="blended_sizes",
        description="alike",
        monthly_usd=Decimal("84000.00"),
        extra_monthly_usd=Decimal(extra),
        fleet=(),
    )
    return plan(
        services=(replace(made.services[0], buckets=SIZES, routing="by_size"),),
        options=(
            replace(option(), id=SMALL, instance_type="g6.xlarge"),
            replace(option(), id=LARGE, instance_type="p5.48xlarge"),
        ),
        routing=tuple(
            PlanRoute(scenario=0, period=p, service=0, bucket=b, option=name, share=share)
            for p, sizes in enumerate(by_period)
            for b, parts in sizes.items()
            for name, share in parts.items()
        ),
        baselines=(*made.baselines, blended),
    )


def test_a_gateway_gets_weights_by_prompt_alone_and_by_both_lengths() -> None:
    table = json.loads(renderer("gateway")(routed()))
    first, last = table["periods"][0], table["periods"][-1]
    # Of the short prompts 0.3 × ½ + 0.1 of 0.4 go to the small machine; bounds lie half-way to the next length.
    assert first["by_prompt"] == [
        {"prompt_tokens_up_to": 1710.0, "backends": {SMALL: 0.625, LARGE: 0.375}},
        {"prompt_tokens_up_to": None, "backends": {LARGE: 1.0}},
    ]
    assert first["by_prompt_and_output"][1] == {
        "prompt_tokens": 420.0,
        "output_tokens": 300.0,
        "backends": {SMALL: 1.0},
    }
    assert [row["backends"] for row in last["by_prompt"]] == [{LARGE: 1.0}] * 2
    assert table["backends"] == {SMALL: "g6.xlarge", LARGE: "p5.48xlarge"}


@pytest.mark.parametrize("share", [1 / 3, 2 / 3, 1e-7])
def test_a_gateways_weights_sum_to_one_to_the_last_digit(share: float) -> None:
    made = routed()
    routing = tuple(
        replace(row, share={SMALL: share, LARGE: 1 - share}[row.option]) if row.bucket == 0 else row
        for row in made.routing
    )
    table = json.loads(renderer("gateway")(replace(made, routing=routing)))
    for period in table["periods"]:
        for row in (*period["by_prompt"], *period["by_prompt_and_output"]):
            assert sum(row["backends"].values()) == pytest.approx(1.0, abs=1e-12)


def test_a_plan_that_sends_sizes_alike_has_one_row_for_any_length() -> None:
    table = json.loads(renderer("gateway")(plan()))
    assert table["periods"][0]["by_prompt"] == [{"prompt_tokens_up_to": None, "backends": {option().id: 1.0}}]
    assert blocks(plan()) == ()


def test_hours_without_demand_have_no_rows_for_a_gateway() -> None:
    made = plan()
    idle = replace(made, routing=tuple(row for row in made.routing if row.period))
    periods = json.loads(renderer("gateway")(idle))["periods"]
    assert (periods[0]["by_prompt"], periods[0]["by_prompt_and_output"]) == ([], [])
    assert periods[1]["by_prompt"]


def test_the_report_says_which_sizes_go_where_and_when_it_changes() -> None:
    text = renderer("table")(routed())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "prompt output of requests g6.xlarge p5.48xlarge" in lines
    # Three of four hours of like requests would be 38 %; the hours differ in their requests.
    assert any(line.startswith("400 50 30 %") and "(0–50)" in line and "(50–100)" in line for line in lines)
    assert any(line.startswith("3,000 50 60 % 100 %") for line in lines)


@pytest.mark.parametrize(
    ("extra", "said"), [("500.00", "saves $500 a month"), ("-500.00", "costs $500 a month LESS")]
)
def test_what_routing_saves_or_costs_is_said(extra: str, said: str) -> None:
    text = " ".join(renderer("table")(routed(extra)).split())
    assert said in text
