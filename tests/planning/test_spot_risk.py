"""What interruptions cost: how often they come, how much of the time is missing, and who pays for it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent_optimum import optimum_usd
from planning_cases import Case, case, estimate, faults, hourly, machine, shape, spot
from planning_offers import price_table, spot_row
from random_cases import random_case

from optimiser.planning.comparison import compare, rules_of
from optimiser.planning.offer_money import planned_spot_usd
from optimiser.planning.options import build_options
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.problem import How, Option
from optimiser.planning.search import search
from optimiser.planning.spot_notes import mixed_sources_note
from optimiser.planning.spot_risk import available_share, interruptions_per_hour
from optimiser.policy import Policy
from optimiser.prices.spot_past import NO_PAST, SpotPast
from providers.fetch import SpotSignal

LIST: dict[str, Any] = {}
AT = datetime(2026, 11, 20, tzinfo=UTC)


def band(low: float, high: float | None, per: str = "month", instance_type: str = "m") -> SpotSignal:
    return SpotSignal(
        provider="aws",
        region="us-east-1",
        instance_type=instance_type,
        low_percent=low,
        high_percent=high,
        per=per,
        savings_percent=None,
        observed_at=AT,
        source="AWS spot advisor" if per == "month" else "Azure",
    )


def options_of(*rows: dict[str, Any], past: SpotPast = NO_PAST, **policy: object) -> list[Option]:
    terms = Policy(**policy)  # type: ignore[arg-type]
    return list(
        build_options([estimate("m", 3.0)], {("aws", "m"): shape("m")}, price_table(*rows), terms, past=past)
    )


def spot_usd(options: list[Option]) -> list[float]:
    return [p.usd_per_unit_hour for option in options for p in option.purchases if p.how is How.SPOT]


@pytest.mark.parametrize(
    ("signal", "per_hour", "source"),
    [
        (None, 0.1, "policy"),
        # −ln 0.9 / 730 and −ln 0.9: a month's band and an hour's of the same height.
        (band(5, 10), 1.443294e-4, "AWS spot advisor of 2026-11-20: 5 to 10 % a month, its upper end"),
        (band(5, 10, "hour"), 0.1053605, "Azure of 2026-11-20: 5 to 10 % an hour, its upper end"),
        # Open: −ln 0.8 / 730 = 0.0003 is less than the policy's figure, −ln 0.8 an hour is more.
        (band(20, None), 0.1, "policy"),
        (band(20, None, "hour"), 0.2231436, "Azure of 2026-11-20: 20 or more % an hour, open above"),
        (band(20, 100, "hour"), 0.2231436, "Azure of 2026-11-20: 20 to 100 % an hour, open above"),
        (band(5, 10, "fortnight"), 0.1, "policy"),
    ],
)
def test_how_often_spot_is_interrupted(signal: SpotSignal | None, per_hour: float, source: str) -> None:
    found = interruptions_per_hour(signal, Policy())
    assert found[0] == pytest.approx(per_hour, rel=1e-6)
    assert found[1] == source


@given(per_hour=st.floats(0, 5), minutes=st.floats(0, 240))
def test_the_share_of_time_available_is_that_of_runs_and_replacements(
    per_hour: float, minutes: float
) -> None:
    share = available_share(per_hour, Policy(spot_replacement_minutes=minutes))
    assert 0 < share <= 1
    if per_hour > 1e-3:
        run = 1 / per_hour
        assert share == pytest.approx(run / (run + minutes / 60))


def test_a_week_of_interruptions_drawn_by_chance_comes_to_that_share() -> None:
    rng = np.random.default_rng(7)
    runs = rng.exponential(1 / 0.5, 200_000)
    share = available_share(0.5, Policy(spot_replacement_minutes=30))
    assert runs.sum() / (runs.sum() + 0.5 * len(runs)) == pytest.approx(share, rel=5e-3)


def test_the_stand_in_is_priced_in_by_hand() -> None:
    # a = 1 / (1 + 0.1 × 0.25) = 1 / 1.025: 4 + 6 × 0.025 / 1.025.
    assert spot_usd(options_of(LIST, spot_row(4.0))) == [pytest.approx(4.146341463, abs=1e-9)]
    # Two interruptions an hour of half an hour each: half of the time at 4, half at 10.
    often = {"spot_interruptions_per_hour": 2, "spot_replacement_minutes": 30}
    assert spot_usd(options_of(LIST, spot_row(4.0), **often)) == [7.0]
    # Nothing stands in: two units for one.
    assert spot_usd(options_of(spot_row(4.0), **often)) == [8.0]


def test_spot_that_is_little_cheaper_after_its_risk_is_not_offered() -> None:
    often = {"spot_interruptions_per_hour": 2, "spot_replacement_minutes": 30}
    assert spot_usd(options_of(LIST, spot_row(8.5))) == [pytest.approx(8.536585366)]
    assert spot_usd(options_of(LIST, spot_row(8.5), **often)) == []


def test_a_band_of_the_store_takes_the_place_of_the_policys_figure() -> None:
    past = SpotPast(signals={("aws", "us-east-1", "m"): band(0, 5)})
    (option,) = options_of(LIST, spot_row(4.0), past=past)
    (spot_purchase,) = [one for one in option.purchases if one.spot]
    assert spot_purchase.spot is not None
    hazard = -math.log(0.95) / 730
    assert spot_purchase.spot.interruptions_per_hour == pytest.approx(hazard)
    assert spot_purchase.usd_per_unit_hour == pytest.approx(4 + 6 * hazard / 4 / (1 + hazard / 4), abs=2e-9)


def test_without_interruptions_or_replacement_spot_costs_what_it_is_expected_to() -> None:
    for neutral in ({"spot_interruptions_per_hour": 0}, {"spot_replacement_minutes": 0}):
        assert spot_usd(options_of(LIST, spot_row(4.1234567), **neutral)) == [4.1234567]


def test_two_kinds_of_source_are_never_compared_in_silence() -> None:
    known = SpotPast(signals={("aws", "us-east-1", "m"): band(5, 10)})
    far = {"region": "eu-west-1"}
    rows = (LIST, spot_row(4.0), spot_row(4.0, "b"), {**far}, spot_row(4.0, **far))
    assert mixed_sources_note(options_of(*rows)) == ()
    assert mixed_sources_note(options_of(*rows[:3], past=known)) == ()
    assert mixed_sources_note(options_of(*rows, past=known)) == (
        "interruptions of spot come from sources that do not compare (AWS spot advisor: 0.00014 an instance-hour "
        "for 2 spot pools; policy: 0.1 an instance-hour for 1 spot pool)",
    )


def risky(seed: int) -> Case:
    """A random case whose spot is interrupted, some of it without a machine on demand to stand in."""
    subject, rng = random_case(seed), np.random.default_rng(seed)
    minutes = float(rng.choice([15.0, 60.0]))
    policy = subject.problem.policy.model_copy(
        update={"spot_replacement_minutes": minutes, "spot_min_discount": 0.0}
    )
    options = []
    for option in subject.problem.options:
        purchases = []
        for one in option.purchases:
            if one.how is How.SPOT:
                hazard = float(rng.choice([0.0, 0.02, 1.26]))
                known = PlanSpot(
                    expected_usd_per_hour=Decimal(repr(round(one.usd_per_unit_hour, 3))),
                    price_basis="percentile",
                    on_demand_usd_per_hour=None if rng.random() < 0.3 else Decimal(20),
                    interruptions_per_hour=hazard,
                    available_share=available_share(hazard, policy),
                )
                one = replace(one, spot=known, usd_per_unit_hour=float(planned_spot_usd(known)))
            purchases.append(one)
        options.append(replace(option, purchases=tuple(purchases)))
    return replace(subject, problem=replace(subject.problem, options=tuple(options), policy=policy))


@pytest.mark.parametrize("seed", range(28))
def test_with_risk_priced_in_the_search_finds_the_proven_optimum(seed: int) -> None:
    subject = risky(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6)
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []


def test_the_cost_of_the_risk_by_hand() -> None:
    subject = case([machine("m", 1.0, hourly(10.0), spot(4.0))], [2.0])
    known = PlanSpot(
        expected_usd_per_hour=Decimal(4),
        price_basis="percentile",
        on_demand_usd_per_hour=Decimal(10),
        interruptions_per_hour=2.0,
        available_share=0.5,
    )
    (option,) = subject.problem.options
    purchases = tuple(
        replace(one, spot=known, usd_per_unit_hour=7.0) if one.how is How.SPOT else one
        for one in option.purchases
    )
    policy = {"spot_replacement_minutes": 30.0}
    subject = replace(
        subject, problem=replace(subject.problem, options=(replace(option, purchases=purchases),))
    ).with_policy(**policy)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    rows = rules_of(compare(subject.problem, outcome, 0.0, explain=True), outcome.best.solution)
    (row,) = [one for one in rows if one.name == "pay_for_spot"]
    # Two units at 7 $/h, which would cost 4: 6 $/h × 730.
    assert (row.cost_monthly_usd, row.binding) == (Decimal("4380.00"), True)
