"""Demand split over sites: regions, the loss of one, a provider's share, against an independent model and by hand."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import Case, case, committed, faults, hourly, machine, plan_json, spot
from random_cases import random_case
from sites_optimum import optimum_over_sites_usd

from optimiser.errors import UsageError
from optimiser.planning.charges import Charges
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.less_demand import used_shares
from optimiser.planning.model import solve_compact
from optimiser.planning.over_sites import Choice, cheapest, refuse_beside_split, splits, splits_in_words
from optimiser.planning.parts import least_sites
from optimiser.planning.patterns import settle_parts
from optimiser.planning.rules import RULES, verify_plan
from optimiser.planning.search import search
from optimiser.planning.sensitivity import sensitivity_of
from optimiser.policy import Deployment, Overheads, Policy


def split_case(seed: int) -> Case:
    """A random case whose demand is to be split, every third with two scenarios and every fifth with charges."""
    rng = np.random.default_rng(20_000 + seed)
    subject = random_case(seed)
    while len({option.site for option in subject.problem.options}) < 2:
        seed += 100
        subject = random_case(seed)
    share = float(rng.choice([1.0, 1.0, 0.5, 0.6, 0.75]))
    survives, regions = bool(rng.random() < 0.5), int(rng.choice([1, 2, 2, 3]))
    if seed % 3 == 0:
        planned = [one.demand[0][0].planned_rps for one in subject.problem.periods]
        subject = subject.with_scenarios((0.7, planned), (0.3, [rate * 1.5 for rate in planned]))
    charged = {
        "deployment": Deployment(surge_instances=2, hours_per_week=20),
        "overheads": Overheads(egress_usd_per_gb=0.1),
    }
    return subject.with_policy(
        max_gpus=None,
        max_share_per_provider=share,
        survive_region_loss=survives,
        min_regions=regions if share < 1 or survives else max(regions, 2),
        **(charged if seed % 5 == 0 else {}),
    )


@pytest.mark.parametrize("seed", range(16))
def test_the_search_finds_the_proven_optimum_of_the_splits_tried(seed: int) -> None:
    subject = split_case(seed)
    proven = optimum_over_sites_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or math.isinf(proven)
    alone = search(subject.problem, gap=0.0, alternatives=1)
    assert (alone.best.usd if alone.best else math.inf) == pytest.approx(proven, rel=1e-6)
    if outcome.best:
        solution, _ = settle_parts(subject.problem, outcome.best.solution)
        assert Charges(subject.problem).weighed_usd(solution) == pytest.approx(proven, rel=1e-6)
        assert faults(subject, solution) == []


@pytest.mark.parametrize("seed", range(8))
def test_no_plan_whatever_its_shares_costs_less_than_the_rows_on_counts_alone(seed: int) -> None:
    # Commitments are limited by what each part needs, so that parts together may commit more than the rows allow.
    subject = split_case(seed).with_policy(commitment_hours_share=1.0, max_sites=None)
    outcome = search(subject.problem, gap=0.0)
    _, solved = solve_compact(subject.problem, [rule.rows for rule in RULES.values()], nodes=2_000)
    if outcome.best is None:
        return
    assert solved.lower_usd is not None
    assert solved.lower_usd <= outcome.best.usd * (1 + 1e-6)


def three_regions(**policy: Any) -> Case:
    ways = ((1.0, "r1", "aws"), (1.2, "r2", "aws"), (1.5, "r1", "gcp"))
    machines = [machine("m", 1.0, hourly(usd), region=r, provider=name) for usd, r, name in ways]
    return case(machines, [12.0]).with_policy(**policy)


@pytest.mark.parametrize(
    ("policy", "usd"),
    [
        # Half in each of the two cheapest; a third in each of three.
        ({"min_regions": 2, "max_sites": 1}, 6 * 1.0 + 6 * 1.2),
        ({"min_regions": 3, "max_sites": 1}, 4 * 1.0 + 4 * 1.2 + 4 * 1.5),
        # Two regions each carry all of it, three each the half; all three may be had where sites are not limited.
        ({"survive_region_loss": True, "max_sites": 2}, 12 * 1.0 + 12 * 1.2),
        ({"survive_region_loss": True, "max_sites": None}, 6 * 1.0 + 6 * 1.2 + 6 * 1.5),
        # The cheapest provider has its maximum, 9 of 12; 7.2 and 4.8 take 8 and 5 whole units: halves are cheaper.
        ({"max_share_per_provider": 0.75, "max_sites": 2}, 9 * 1.0 + 3 * 1.5),
        ({"max_share_per_provider": 0.6, "max_sites": 2}, 6 * 1.0 + 6 * 1.5),
        # 75 % at one provider over two regions: 4.5 in each takes 5, so that a third in each of three is cheaper.
        ({"max_share_per_provider": 0.75, "min_regions": 3, "max_sites": 1}, 4 * 1.0 + 4 * 1.2 + 4 * 1.5),
        # Each outlives the other, whatever its share.
        ({"max_share_per_provider": 0.75, "survive_region_loss": True, "max_sites": 2}, 12 * 1.0 + 12 * 1.5),
    ],
)
def test_splits_by_hand(policy: dict[str, Any], usd: float) -> None:
    subject = three_regions(**policy)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(usd)
    assert faults(subject, best.solution) == []


def test_spot_does_not_count_where_a_region_is_lost() -> None:
    # 8 req/s in either region without the other; half of it on spot is for the days when nothing is lost.
    ways = [machine("m", 1.0, hourly(1.0), spot(0.2), region=region) for region in ("r1", "r2")]
    subject = case(ways, [8.0]).with_policy(survive_region_loss=True, max_sites=2, max_spot_share=0.5)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(16.0)


@pytest.mark.parametrize(("headroom", "signed"), [(1.0, 6), (2.0, 12)])
def test_what_is_committed_for_a_regions_loss_is_still_used_by_hand(headroom: float, signed: int) -> None:
    # Either region serves 6 req/s and runs 12 units. Of a flat 12 req/s, 8.4 at 30 % less, nine carry either's loss.
    ways = [machine("m", 1.0, hourly(1.0), committed(0.5), region=region) for region in ("r1", "r2")]
    policy = {"survive_region_loss": True, "max_sites": 2, "commitment_hours_share": 0.0}
    subject = case(ways, [12.0, 12.0]).with_policy(**policy, commitment_headroom=headroom)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(2 * 2 * (signed * 0.5 + (12 - signed)))
    if signed < 12:
        return
    assert faults(subject, best.solution) == []
    assert list(used_shares(subject.problem, best.solution).values()) == [0.75, 0.75]


def surviving() -> dict[str, Any]:
    """A plan in two halves that outlives either region, as JSON."""
    subject = three_regions(survive_region_loss=True, max_sites=2)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    plan = plan_json(subject, best.solution)
    assert verify_plan(plan) == []
    return plan


def broken(plan: dict[str, Any]) -> set[str]:
    return {fault.split(":")[0] for fault in verify_plan(plan)}


def test_a_region_with_a_unit_less_does_not_outlive_the_other() -> None:
    plan = surviving()
    plan["counts"][0]["units"] -= 1
    assert "survive_region_loss" in broken(plan)


def test_a_provider_above_its_share_is_rejected() -> None:
    subject = three_regions(max_share_per_provider=0.75, max_sites=2)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    plan = plan_json(subject, best.solution)
    assert [row["traffic_share"] for row in plan["sites"]] == [0.75, 0.25]
    plan["policy"]["max_share_per_provider"] = 0.7
    assert broken(plan) == {"limit_provider_share"}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("traffic_share", 0.9, "spread_over_regions"),
        ("loss_share", 0.5, "survive_region_loss"),
        ("region", "r9", "spread_over_regions"),
        ("spare_unit_rps", 0.5, "survive_instance_loss"),
    ],
)
def test_a_site_that_says_what_is_not_so_is_rejected(field: str, value: object, rule: str) -> None:
    plan = surviving()
    plan["policy"]["survive_instance_losses"] = 1
    for row in plan["counts"]:
        row["units"] += 1
    plan["sites"][0][field] = value
    assert rule in broken(plan)


def test_requests_that_go_elsewhere_than_the_weights_say_are_rejected() -> None:
    plan = surviving()
    plan["routing"][0]["share"] -= 0.1
    assert broken(plan) == {"spread_over_regions"}


def test_a_plan_in_one_region_under_the_rules_is_rejected() -> None:
    plan = surviving()
    plan |= {"sites": [], "counts": plan["counts"][:1]}
    plan["policy"] |= {"min_regions": 2, "max_share_per_provider": 0.75}
    assert broken(plan) >= {"spread_over_regions", "survive_region_loss", "limit_provider_share"}


def test_a_fleet_is_short_by_what_its_worst_site_lacks() -> None:
    # Six units for six req/s in each of two sites: at 20 % less each lacks 1.2, and neither can help the other.
    subject = three_regions(min_regions=2, max_sites=1)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    rows = sensitivity_of(subject.problem, best.solution, 0.0)
    slower = next(row for row in rows if row.of == "estimate" and row.factor < 1)
    assert slower.kept_short_rps == pytest.approx(1.2)


@given(
    most=st.floats(0.15, 1.0),
    regions=st.integers(1, 6),
    survives=st.booleans(),
    max_sites=st.sampled_from([None, 1, 3, 6]),
)
def test_every_split_is_whole_and_over_as_many_sites_as_are_asked(
    most: float, regions: int, survives: bool, max_sites: int | None
) -> None:
    policy = Policy(
        max_share_per_provider=most, min_regions=regions, survive_region_loss=survives, max_sites=max_sites
    )
    for split in splits(policy, places=8):
        assert sum(split) == pytest.approx(1)
        assert min(split) > 0
        assert least_sites(policy) <= len(split) <= max(least_sites(policy), max_sites or 4)


@given(data=st.data(), most=st.sampled_from([0.5, 0.6, 0.75, 1.0]))
def test_the_cheapest_choice_is_that_of_all_tried(data: st.DataObject, most: float) -> None:
    split = data.draw(st.sampled_from([(0.5, 0.5), (0.6, 0.4), (1 / 3,) * 3, (0.6, 0.2, 0.2)]))
    prices = st.lists(st.integers(1, 9), min_size=5, max_size=5)
    lists: dict[float, list[Choice]] = {}
    for share in split:
        if share not in lists:
            made = [Choice(float(usd), "aabbc"[n], n) for n, usd in enumerate(data.draw(prices))]
            lists[share] = sorted(made, key=lambda one: (one.usd, str(one.key)))
    best = math.inf
    for keys in permutations(range(5), len(split)):
        usd, carried = 0.0, dict.fromkeys("abc", 0.0)
        for share, key in zip(split, keys, strict=True):
            usd += next(one.usd for one in lists[share] if one.key == key)
            carried["aabbc"[key]] += share
        if max(carried.values()) <= most + 1e-9:
            best = min(best, usd)
    found = cheapest(split, [lists[share] for share in split], most)
    assert (sum(one.usd for one in found) if found else math.inf) == pytest.approx(best)


def test_the_splits_are_said_in_words() -> None:
    said = splits_in_words(splits(Policy(max_share_per_provider=0.6, max_sites=3), places=9))
    assert said.startswith("equal parts over 2 to 3 sites, or shares of 60 % and 40 %, or 55 % and 45 %, or ")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"min_regions": 4}, "over 4 regions, what would serve it is sold in 3 "),
        ({"max_share_per_provider": 0.4}, "takes 3 providers, and what would serve it is sold by 2 "),
    ],
)
def test_too_few_places_are_named_with_what_to_ease(policy: dict[str, Any], said: str) -> None:
    problem = three_regions(max_sites=1, **policy).problem
    assert search(problem).best is None
    refusal = str(nothing_allowed(problem, 1e-3))
    assert said in refusal
    assert f"{next(iter(policy))}: 1 would allow a plan" in refusal


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_gpus", 8),
        ("max_monthly_kg_co2e", 1.0),
        ("minimum_monthly_usd_by_provider", {"aws": 1.0}),
        ("max_schedule_changes_per_day", 2),
        ("max_committed_monthly_usd", 1000.0),
    ],
)
def test_what_counts_over_all_sites_is_refused_beside_a_split(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"policy\.{field} = .*plan each site by itself"):
        refuse_beside_split(three_regions(min_regions=2, **{field: value}).problem)
    refuse_beside_split(three_regions(**{field: value}).problem)
