"""The table: what line 1 says, what stands under each row, and that it never passes 100 columns."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hand_made_parts import FOOTPRINT, aged, alternative, option
from hand_made_plans import OFFERS, PURCHASES, plan
from printed_tables import headline, section, table

from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.plan_footprint import PlanCarbon, PlanGrid
from optimiser.planning.plan_parts import PlanCharge
from optimiser.policy import Policy
from optimiser.report.wording import ordinal


def test_line_1_is_the_answer() -> None:
    # 37,994.72 of 120,000 is 31.7 %.
    said = "chat: $83,000 a month on AWS us-east-1, 32 % below on demand; gap 0.2 %, throughput ±13 %"
    assert table(plan()).splitlines()[0] == said


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ({"on_demand": 90, "spot": 7, "reserved": 90}, None),
        ({"on_demand": 1, "spot": 8, "reserved": 1}, "spot of 2026-05-24 (8 days)"),
        ({"on_demand": 91, "spot": 1, "reserved": 1}, "on demand of 2026-03-02 (91 days)"),
        ({"on_demand": 1, "spot": 1, "reserved": 91}, "reserved of 2026-03-02 (91 days)"),
        (
            {"spot": 8, "on_demand": 200, "reserved": 200},
            "spot of 2026-05-24 (8 days), on demand and reserved of",
        ),
    ],
)
def test_line_1_names_old_prices_past_the_limits(ages: dict[str, int], said: str | None) -> None:
    made = plan(price_dates=aged(**ages))
    if said is None:
        assert "OLD" not in headline(made)
    else:
        assert "at OLD PRICES" in table(made).splitlines()[0]
        assert said in headline(made)


def test_the_policy_moves_the_limits_of_old_prices() -> None:
    strict = Policy(price_age_note_days=0, spot_age_note_days=0).model_dump(mode="json")
    assert "on demand of 2026-05-31 (1 day)" in headline(plan(policy=strict, price_dates=aged(on_demand=1)))
    lax = Policy(price_age_note_days=999, spot_age_note_days=999).model_dump(mode="json")
    assert "OLD" not in headline(plan(policy=lax, price_dates=aged(on_demand=500, spot=500)))


def test_a_tier_that_is_not_used_is_not_called_old() -> None:
    unused = tuple(replace(row, oldest_used=None) for row in aged(on_demand=500, spot=500))
    assert "OLD" not in headline(plan(price_dates=unused))


@pytest.mark.parametrize(
    ("monthly", "said"),
    [
        ("82005.28", "no cheaper than on demand"),
        ("74550.25", "10 % ABOVE on demand"),
        (None, "us-east-1; gap"),
    ],
)
def test_line_1_tells_the_truth_where_nothing_is_saved(monthly: str | None, said: str) -> None:
    assert said in headline(plan(baselines=(alternative("single_type_on_demand", monthly),)))


def test_every_commitment_row_is_followed_by_what_signing_means() -> None:
    lines = section(plan(), "Fleet")
    row = next(index for index, line in enumerate(lines) if line.startswith("commitment"))
    below = " ".join(" ".join(lines[row + 1 : row + 5]).split())
    for said in (
        "12 months, no upfront",
        "contract $700,800",
        "$0 cash up front",
        "breaks even at 73 % use; at 30 % less demand 100 % of it is used, cheaper than on demand",
        "ends half way, $350,400 is lost",
        "A discount, not capacity.",
    ):
        assert said in below


@pytest.mark.parametrize(
    ("share", "beats", "said"),
    [
        (0.625, False, "at 30 % less demand 62 % of it is used, DEARER than on demand; if"),
        (0.625, None, "at 30 % less demand 62 % of it is used; if"),
        (None, None, "73 % use; if"),
    ],
)
def test_a_commitment_that_less_demand_leaves_idle_says_so(
    share: float | None, beats: bool | None, said: str
) -> None:
    assert PURCHASES[0].commitment is not None
    signed = replace(
        PURCHASES[0].commitment,
        used_share_at_30_pct_less_demand=share,
        beats_on_demand_at_30_pct_less_demand=beats,
    )
    made = plan(purchases=(replace(PURCHASES[0], commitment=signed), *PURCHASES[1:]))
    assert said in " ".join(" ".join(section(made, "Fleet")).split())


def test_the_fleet_lists_every_purchase_with_its_money() -> None:
    lines = section(plan(), "Fleet")
    assert [line.split()[0] for line in lines[1:] if not line.startswith((" ", "!"))] == [
        "commitment",
        "on",
        "spot",
    ]
    spot = next(line for line in lines if line.startswith("spot"))
    assert spot.split() == [
        "spot", "0–1", "p5.48xlarge", "!", "8", "×", "H100", "AWS", "use1-az1", "19.264", "$3,516",
    ]  # fmt: skip
    assert "quoted at 15.00 on 2026-06-01" in " ".join(lines)


def test_a_spot_price_says_which_price_it_is() -> None:
    def said(spot: PlanSpot) -> str:
        offers = (*OFFERS[:2], replace(OFFERS[2], spot=spot))
        return " ".join(" ".join(section(plan(offers=offers), "Fleet")).split())

    past = PlanSpot(expected_usd_per_hour=Decimal("21.3"), price_basis="percentile", history_days=12.5)
    at = "p5.48xlarge spot: planned at the 80th percentile of 12.5 days, 21.30; quoted at 15.00 on 2026-06-01"
    assert at in said(past)
    quote = said(PlanSpot(expected_usd_per_hour=Decimal(15), price_basis="quote"))
    assert "Spot is planned at the quotes of 2026-06-01: less than a day of these pools' past" in quote
    assert "quoted at" not in quote


@pytest.mark.parametrize(
    ("value", "text"),
    [(80.0, "80th"), (1, "1st"), (92, "92nd"), (3.0, "3rd"), (12, "12th"), (92.5, "92.5th")],
)
def test_a_percentile_is_written_as_people_say_it(value: float, text: str) -> None:
    assert ordinal(value) == text


def test_a_list_price_of_the_users_own_is_marked() -> None:
    own = tuple(replace(one, own=one.tier == "on_demand") for one in OFFERS)
    lines = [line for line in section(plan(offers=own), "Fleet") if not line.startswith((" ", "!"))]
    assert ["(own price)" in line for line in lines[1:4]] == [False, True, False]


def test_another_market_is_not_called_on_demand() -> None:
    flexible = tuple(replace(one, market="flex_start") if one.tier == "on_demand" else one for one in OFFERS)
    lines = [line for line in section(plan(offers=flexible), "Fleet") if not line.startswith((" ", "!"))]
    assert lines[2].startswith("flex start by hour")


def test_scarce_machines_name_the_reservation_to_ask_for() -> None:
    # Two committed and one on demand run together in the middle; spot is no part of a reservation.
    said = " ".join(" ".join(section(plan(), "Fleet")).split())
    assert "Ask AWS for an On-Demand Capacity Reservation or a Capacity Block of 3 × p5.48xlarge" in said
    elastic = plan(options=(option(obtainability="elastic"),))
    assert "Ask AWS" not in table(elastic)
    reserved = plan(options=(option(obtainability="reservation_only"),))
    assert "for a Capacity Block of 3" in " ".join(table(reserved).split())


def test_groups_are_counted_in_instances() -> None:
    grouped = plan(options=(option(instances_per_unit=2),))
    assert "2 × 2" in next(line for line in section(grouped, "Fleet") if line.startswith("commitment"))
    assert "of 6 × p5.48xlarge" in " ".join(table(grouped).split())


def test_quota_is_in_the_providers_unit() -> None:
    row = section(plan(), "Quota")[1]
    assert row.split("  ")[0] == "AWS us-east-1"
    assert row.split()[2:] == ["P", "spot", "192", "vCPU", "not", "known", "192", "vCPU"]


@pytest.mark.parametrize(
    ("granted", "day", "shown"),
    [
        (96.0, date(2026, 3, 4), ["96", "(2026-03-04)", "192", "vCPU"]),
        (0.0, None, ["0", "192", "vCPU"]),
        (192.0, None, ["192", "enough"]),
    ],
)
def test_what_is_granted_stands_beside_what_is_needed(
    granted: float, day: date | None, shown: list[str]
) -> None:
    subject = plan()
    quota = replace(subject.quotas[0], granted=granted, granted_on=day, granted_source="quotas.yaml")
    assert section(replace(subject, quotas=(quota,)), "Quota")[1].split()[6:] == shown


def test_another_run_is_promised_the_same_plan_only_where_no_limit_stopped_the_solver() -> None:
    stopped = " ".join(section(plan(deterministic=False), "Proof"))
    assert "The solver stopped at a limit: another run may find another plan." in stopped
    assert "stopped" not in " ".join(section(plan(), "Proof"))


def test_the_notes_of_what_is_bought_stand_in_the_estimate() -> None:
    spread = "attention data-parallel over 8 GPUs, experts spread over all of them"
    text = " ".join(" ".join(section(plan(options=(option(notes=(spread,)),)), "Estimate")).split())
    assert f"p5.48xlarge: {spread}." in text


def test_explain_groups_rejections_by_reason_with_examples() -> None:
    assert "Rejected" not in table(plan())
    lines = section(plan(), "Rejected", explain=True)
    assert lines[1].split() == ["memory", "2", "AWS", "g6.xlarge:", "too", "small"]
    assert lines[2].split() == ["TTFT", "1", "AWS", "p4d.24xlarge:", "too", "slow"]
    assert "+$1,000" in " ".join(section(plan(), "Alternatives", explain=True))


def test_the_estimate_says_rate_margin_latency_loads_method_and_error() -> None:
    text = " ".join(section(plan(), "Estimate"))
    for said in (
        "12.5",
        "20 %",
        "1,800 ms",
        "49.5 ms",
        "TTFT p95",
        "50/100 % load",
        "roofline of the tests",
        "±13 %",
    ):
        assert said in text
    offline = replace(plan().services[0], ttft_ms=None, tpot_ms=None, percentile=None)
    assert "Target of" not in table(plan(services=(offline,)))


def test_the_estimate_says_at_which_share_of_it_is_planned_and_how_sure_that_is() -> None:
    def said(made: Plan) -> str:
        return " ".join(" ".join(section(made, "Estimate")).split())

    assert "Planned at 80 % of the estimates: at least that is served in 75 % of such cases." in said(plan())
    second = option(id="b", margin=0.36)
    both = plan(
        options=(option(), second),
        purchases=(*PURCHASES[:2], replace(PURCHASES[2], option="b")),
        policy=Policy(performance_confidence=0.875).model_dump(mode="json"),
    )
    assert "Planned at 64 % to 80 % of the estimates: at least that is served in 87.5 % of" in said(both)
    own = plan(policy=Policy(performance_margin=0.2).model_dump(mode="json"))
    assert "Planned at 80 % of the estimates (performance_margin=0.2)." in said(own)


def test_low_confidence_in_a_machine_that_is_bought_is_in_the_first_line_and_in_the_estimate() -> None:
    unsure = plan(options=(option(low_confidence=True),))
    assert "throughput ±13 % at best (low confidence)" in " ".join(headline(unsure).split())
    assert "p5.48xlarge: low confidence, ±25 % at best." in " ".join(section(unsure, "Estimate"))
    assert "low confidence" not in table(plan())


def test_every_field_of_the_policy_is_printed_and_changes_come_first() -> None:
    changed = Policy(max_spot_share=0.5, providers=("aws",)).model_dump(mode="json")
    text = " ".join(section(plan(policy=changed), "Policy in force"))
    assert text.startswith("Changed: providers=[aws], max_spot_share=0.5. Defaults:")
    for name in Policy.model_fields:
        assert len(re.findall(rf"\b{name}=", text)) == 1, name


def test_what_the_answer_rests_on_is_there() -> None:
    text = " ".join(table(plan()).split())
    for said in (
        "costs less than $81,842 a month for instances: gap 0.2 %",
        "AWS reserved 100 2026-01-01 2026-06-01 2026-03-03 (90 d)",
        "Priced only in part: gcp: spot for 1 of the 2",
        "a list by hand",
        "disks, load balancer.",
        "lengths are assumed",
        "Instances $82,005 + overheads $995 = $83,000 a month of 730 h",
        "$1.03 input, $7.76 output, $2.15 blended",
    ):
        assert said in text


def test_what_is_owed_beside_instances_has_its_line_and_its_part_of_the_sum() -> None:
    charge = PlanCharge(
        provider="gcp", kind="minimum_spend", what="promised and not spent", monthly_usd=Decimal("5000.00")
    )
    totals = replace(
        plan().totals, charges_monthly_usd=Decimal("5000.00"), total_monthly_usd=Decimal("88000.00")
    )
    text = " ".join(table(plan(charges=(charge,), totals=totals)).split())
    assert "Instances $82,005 + charges $5,000 + overheads $995 = $88,000 a month" in text
    assert "Charged $5,000 a month: GCP, promised and not spent." in text
    assert "costs less than $81,842 a month for instances and charges: gap" in text
    assert "+ charges" not in " ".join(table(plan()).split())


EMITTED = PlanCarbon(
    option=option().id,
    kwh_monthly=12_345.0,
    kg_co2e_monthly=4_938.0,
    kg_co2e_per_unit_hour=2.0,
    watts_per_unit=4000.0,
    pue=1.25,
    gco2_per_kwh=400.0,
    method="country average",
    year=2023,
    source="a list",
    gpu_tdp_share=0.8,
    other_figures=(PlanGrid(gco2_per_kwh=300.0, method="state average", year=2022, source="another"),),
)


def test_what_the_plan_draws_and_emits_stands_with_its_figures_and_assumptions() -> None:
    policy = Policy(carbon_usd_per_tonne=50).model_dump(mode="json")
    text = " ".join(table(plan(carbon=(EMITTED,), footprint=FOOTPRINT, policy=policy)).split())
    for said in (
        "Energy: 10,000 kWh a month at the loads of the hours, 0.25 kWh per 1M tokens; 12,345 kWh with all",
        "Carbon: 4,000 kg CO2e a month (0.1 kg per 1M tokens); 4,938 kg at planned rates, as a price or cap of carbon "
        "counts, weighed at 50 USD a tonne and not billed. Making the machines, on top: 100 to 900 kg.",
        "400 g/kWh (country average, 2023, a list); by another method, which nothing is compared by, 300 (state "
        "average, 2022, another)",
        "GPUs draw 80 % of their TDP at planned rates",
        "20 % without a request, 40 % to 90 % generating, 100 % on prompts; 22 % on top",
    ):
        assert said in text
    assert "Carbon:" not in table(plan())


def test_what_has_no_figure_is_said_to_be_unknown() -> None:
    known = replace(
        FOOTPRINT,
        kg_co2e_monthly=None,
        kg_co2e_monthly_at_load=None,
        kg_co2e_per_million_tokens=None,
        embodied_kg_co2e_monthly_low=None,
        embodied_kg_co2e_monthly_high=None,
    )
    text = " ".join(table(plan(footprint=known)).split())
    assert f"Carbon: not known: no figure of the grid or PUE for {option().id}" in text
    assert "Making the machines, on top: not known" in text
    dark = replace(known, kwh_monthly=None, kwh_monthly_at_load=None, kwh_per_million_tokens=None)
    assert "Energy: not known: a provider in use has no PUE" in table(plan(footprint=dark))
