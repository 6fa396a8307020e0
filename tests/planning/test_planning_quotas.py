"""Quotas and a limit on GPUs: cases worked by hand, fleets too large to list, and what is said where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import (
    Case,
    case,
    columns_of,
    committed,
    faults,
    granted,
    held,
    hourly,
    machine,
    plan_json,
    spot,
)
from random_cases import random_case

from optimiser.planning.capped_tables import kinds_of
from optimiser.planning.comparison import compare, rules_of
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Found
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search


def found(subject: Case) -> Found:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert faults(subject, best.solution) == []
    assert best.usd == pytest.approx(optimum_usd(subject.problem))
    return best


def units(best: Found) -> dict[str, list[int]]:
    """Units by instance type (and zone on spot) and how they are paid."""
    return {
        f"{c.option.instance_type} {c.purchase.how.value}": best.solution.units[:, i].tolist()
        for i, c in enumerate(best.solution.columns)
    }


CHEAP_AND_DEAR = [machine("m", 1.0, hourly(1.0)), machine("n", 1.0, hourly(1.5), family="P")]


def test_a_quota_for_three_leaves_the_rest_to_the_dearer_machine() -> None:
    best = found(case(CHEAP_AND_DEAR, [2.0, 5.0]).with_quotas(granted(24)))
    # 2 × 1 in the first hour; 3 × 1 and 2 × 1.5 in the second. 24 vCPU are three machines of 8.
    assert units(best) == {"m on_demand": [2, 3], "n on_demand": [0, 2]}
    assert best.usd == pytest.approx(8.0)


def test_a_known_quota_limits_nothing_unless_the_policy_says_so() -> None:
    best = found(case(CHEAP_AND_DEAR, [2.0, 5.0]).with_quotas(granted(24)).with_policy(within_quotas=False))
    assert best.usd == pytest.approx(7.0)


def test_commitments_held_and_hourly_units_share_one_quota() -> None:
    machines = [machine("m", 1.0, committed(0.5), hourly(1.0)), machine("s", 1.0, held(0.9))]
    machines.append(machine("n", 1.0, hourly(3.0), family="P"))
    # Four of the family in all: three signed, held units are dearer; one by the hour, and one of the others at 5 req/s.
    best = found(
        case(machines, [3.0, 4.0, 5.0]).with_quotas(granted(32)).with_policy(max_instance_types=None)
    )
    by_hand = min(4 * 0.5 * 3 + 3.0, 3 * 0.5 * 3 + 1.0 + 1.0 + 3.0)
    assert best.usd == pytest.approx(by_hand)


def test_a_spot_quota_of_nothing_leaves_firm_machines_alone() -> None:
    subject = case([machine("m", 1.0, hourly(1.0), spot(0.4))], [4.0])
    assert found(subject.with_quotas(granted(0, spot=True))).usd == pytest.approx(4.0)
    assert found(subject.with_quotas(granted(8, spot=True))).usd == pytest.approx(3.4)
    assert found(subject.with_quotas(granted(8))).usd == pytest.approx(1.6)


def test_all_spot_of_azure_counts_in_one_quota_of_the_region() -> None:
    machines = [
        machine("m", 1.0, hourly(1.0), spot(0.4), provider="azure"),
        machine("n", 1.0, hourly(1.0), spot(0.5), provider="azure", family="P"),
    ]
    subject = case(machines, [4.0]).with_quotas(
        granted(16, provider="azure", family="lowPriorityCores", spot=True)
    )
    best = found(subject)
    assert best.usd == pytest.approx(2 * 0.4 + 2 * 1.0)
    core = plan_json(subject, best.solution)
    (on_spot,) = [row for row in core["quotas"] if row["spot"]]
    assert (on_spot["family"], on_spot["amount"], on_spot["granted"]) == ("lowPriorityCores", 16, 16)


def test_a_limit_on_gpus_counts_every_purchase() -> None:
    machines = [machine("m", 1.0, hourly(1.0), spot(0.4)), machine("n", 4.0, hourly(6.0))]
    # Five units of m are cheapest; three GPUs carry 5 req/s as n + m alone, m on spot.
    best = found(case(machines, [5.0]).with_policy(max_gpus=3))
    assert best.usd == pytest.approx(6.4)
    # A group of two instances of two GPUs each takes four.
    group = machine("g", 5.0, hourly(1.0), instances_per_unit=2, gpus=2)
    assert found(case([*machines, group], [5.0]).with_policy(max_gpus=4)).usd == pytest.approx(2.0)
    assert found(case([*machines, group], [5.0]).with_policy(max_gpus=3)).usd == pytest.approx(6.4)


def test_regions_with_quotas_of_their_own_are_filled_one_after_the_other() -> None:
    machines = [machine("m", 1.0, hourly(1.0 + i / 10), region=f"r{i}") for i in range(3)]
    subject = case(machines, [5.0]).with_quotas(granted(16, region="r0"), granted(16, region="r1"))
    assert found(subject).usd == pytest.approx(2 * 1.0 + 2 * 1.1 + 1.2)
    assert found(subject.with_policy(max_sites=2)).usd == pytest.approx(2 * 1.0 + 3 * 1.2)
    assert found(subject.with_policy(max_sites=1)).usd == pytest.approx(5 * 1.2)


def test_a_plan_beyond_a_quota_is_rejected_though_its_table_says_less() -> None:
    subject = case([machine("m", 1.0, hourly(1.0))], [3.0]).with_quotas(granted(16))
    three = Solution(columns_of(subject.problem), np.array([[3]]))
    plan = plan_json(subject, three)
    plan["quotas"][0]["amount"] = 16
    (fault,) = verify_plan(plan)
    assert fault.startswith("respect_quotas: period 0: 24 vcpu")
    plan["policy"]["within_quotas"] = False
    assert verify_plan(plan) == []
    plan["policy"]["max_gpus"] = 2
    assert verify_plan(plan) == ["limit_gpus: period 0: 3 GPUs run, 2 allowed"]


def test_where_nothing_fits_the_quota_in_the_way_and_what_would_do_are_named() -> None:
    subject = case([machine("m", 1.0, hourly(1.0))], [3.0]).with_quotas(granted(16))
    assert search(subject.problem).best is None
    said = str(nothing_allowed(subject.problem, 0.0))
    assert "no plan with no more than the quotas granted" in said
    assert "within_quotas: false would allow a plan at 2,190 USD a month" in said
    assert "aws r1 G (on demand): 24, 16 granted" in said
    few = subject.with_policy(within_quotas=False, max_gpus=2)
    assert "at most 2 GPUs" in (said := str(nothing_allowed(few.problem, 0.0)))
    assert "which takes 3 GPUs" in said


def test_a_quota_says_how_many_more_units_it_takes_and_what_it_costs() -> None:
    subject = case(CHEAP_AND_DEAR, [2.0, 5.0]).with_quotas(granted(28))
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    compared = compare(subject.problem, outcome, 0.0, explain=True)
    rows = {row.name: row for row in rules_of(compared, outcome.best.solution)}
    row = rows["respect_quotas"]
    # Half a machine of 8 vCPU is left of 28. Without it 7 USD in two hours, with it 8: 365 a month.
    assert (row.slack, row.unit, row.binding) == (0.5, "instances", True)
    assert float(row.cost_monthly_usd or 0) == pytest.approx(365.0)
    assert (rows["limit_gpus"].limit, rows["limit_gpus"].slack) == ("", None)


def test_no_quota_in_use_is_no_slack_rather_than_an_infinite_one() -> None:
    subject = case(CHEAP_AND_DEAR, [2.0]).with_quotas(granted(80, family="P"))
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    rows = rules_of(compare(subject.problem, outcome, 0.0, explain=False), outcome.best.solution)
    assert next(row for row in rows if row.name == "respect_quotas").slack is None


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fleet under caps is taken for too large to list."""
    monkeypatch.setattr("optimiser.planning.capped_tables.COMBINATIONS_LISTED", 0)


@pytest.mark.parametrize("seed", [*range(3, 75, 8), 77, 135])
@pytest.mark.usefixtures("unlisted")
def test_a_fleet_too_large_to_list_is_bracketed_and_keeps_its_quotas(seed: int) -> None:
    subject = random_case(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or outcome.lower_usd == proven
    if outcome.best is not None:
        assert outcome.best.usd >= proven * (1 - 1e-9)
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.usefixtures("unlisted")
def test_a_fleet_too_large_to_list_is_bounded_with_its_quotas_priced() -> None:
    subject = case(CHEAP_AND_DEAR, [2.0, 5.0]).with_quotas(granted(24))
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert outcome.best.usd == pytest.approx(8.0)
    # Free it is 7 USD: half a dollar is what a machine within the quota saves, five of them wanted and three granted.
    assert outcome.lower_usd == pytest.approx(8.0, rel=1e-3)
    assert "respect_quotas" not in outcome.dropped
    assert "quotas and limits on GPUs priced in every hour" in outcome.method


@pytest.mark.usefixtures("unlisted")
def test_an_offer_of_few_machines_is_not_bought_twice_within_a_quota() -> None:
    # Of two purchases that a slot is put together from, each has the one machine of the agreement.
    machines = [machine("m", 1.0, hourly(1.0), hourly(0.5, 1)), machine("n", 2.7, hourly(3.0), family="P")]
    subject = case(machines, [1.0, 6.2]).with_quotas(granted(24), granted(16, family="P"))
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert faults(subject, outcome.best.solution) == []
    assert outcome.best.usd >= optimum_usd(subject.problem) * (1 - 1e-9)


def test_a_thousand_machines_within_a_quota_are_close_to_their_bound() -> None:
    kinds = [(1.0, 1.0, "G"), (1.9, 1.7, "G"), (4.1, 4.6, "P")]
    machines = [
        machine(f"m{i}", rate, hourly(usd), committed(round(usd * 0.6, 3)), spot(usd * 0.4), family=family)
        for i, (rate, usd, family) in enumerate(kinds)
    ]
    hour = np.arange(24)
    demand = [round(float(x), 2) for x in 2000 * (1.2 - np.cos((hour - 4) * np.pi / 12))]
    subject = case(machines, demand).with_policy(max_spot_share=0.3)
    subject = subject.with_quotas(granted(8 * 900), granted(8 * 200, spot=True))
    outcome = search(subject.problem, gap=1e-3)
    assert outcome.best is not None
    assert faults(subject, outcome.best.solution) == []
    assert outcome.best.usd / outcome.lower_usd - 1 < 0.002


def test_rows_are_alike_where_every_number_is() -> None:
    rows = np.array([[3, 0], [0, 1], [3, 0], [3, 1], [0, 1]])
    first, kind = kinds_of(rows)
    assert [rows[i].tolist() for i in first] == [[0, 1], [3, 0], [3, 1]]
    assert kind.tolist() == [1, 0, 1, 2, 0]
