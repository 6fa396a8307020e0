"""A budget of all five lines, worked by hand; and what holds for every budget."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import FIVE_LINES, budget_in, project_of

from optimiser.costing.project.budget import Budget
from optimiser.errors import UsageError

D = Decimal


def _monthly(budget: Budget, line: str, item: str) -> list[Decimal]:
    (found,) = [one for one in budget.items if (one.line, one.item) == (line, item)]
    return [month.expected for month in found.monthly]


def test_every_item_month_by_month(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, FIVE_LINES)
    zero = D(0)
    assert budget.months[0] == "2026-11"
    assert budget.months[2] == "2027-01"
    # In its second month: 1,000 once and 10 a month; 2 TB × 300; 500 × 0.5 + 2 × 25; 2,000 GB × 0.02 growing by 10 %.
    assert _monthly(budget, "data", "licensing") == [zero, D(1010), *[D(10)] * 10]
    assert _monthly(budget, "data", "collection") == [zero, D(600), *[zero] * 10]
    assert _monthly(budget, "data", "labelling") == [zero, D(300), *[zero] * 10]
    assert _monthly(budget, "data", "storage")[:4] == [zero, D(40), D(44), D("48.4")]
    # 2 runs × 100 GPU-hours × 3, over two months.
    assert _monthly(budget, "training", "rented GPUs") == [zero, zero, D(300), D(300), *[zero] * 8]
    # 1,000 × 2.4 × 730 / 24 = 73,000 queries at 0.001, then half as many users more.
    assert _monthly(budget, "inference", "serving") == [*[zero] * 10, D(73), D("109.5")]
    # A third of a cycle a month: 80 GPU-hours × 3; 1 TB × 60; 200 × 0.5.
    assert _monthly(budget, "maintenance", "retraining: rented GPUs") == [*[zero] * 6, *[D(80)] * 6]
    assert _monthly(budget, "maintenance", "new data") == [*[zero] * 6, *[D(20)] * 6]
    assert _monthly(budget, "maintenance", "labelling") == [*[zero] * 6, *[D("33.33")] * 6]
    # 2 × 60,000 × 1.5 / 12 for two months and a half; half of 48,000 / 12 in the last month.
    assert _monthly(budget, "engineering", "engineers") == [D(15000), D(15000), D(7500), *[zero] * 9]
    assert _monthly(budget, "engineering", "manager") == [*[zero] * 11, D(2000)]


def test_lines_total_what_dominates_and_what_a_use_costs(tmp_path: Path) -> None:
    budget = budget_in(tmp_path, FIVE_LINES)
    lines = {line.line: line.total.expected for line in budget.lines}
    assert lines["training"] == 600
    assert lines["maintenance"] == D("799.98")
    assert lines["engineering"] == 39500
    assert budget.dominates == "engineering"
    assert budget.total.expected == sum(lines.values())
    unit = budget.unit_costs
    assert unit is not None
    # 73,000 + 109,500 queries of 1,000 tokens, by 1,000 and then 1,500 users.
    assert (unit.queries, unit.users_months) == (182500, 2500)
    assert unit.serving_usd_per_query == D("0.001")
    assert unit.serving_usd_per_user_month == D("0.073")
    assert unit.serving_usd_per_million_tokens == 1
    assert unit.usd_per_query == (budget.total.expected / 182500).quantize(D("0.000001"))


def test_owned_hardware_pays_for_energy_and_for_depreciation_where_it_is_given(tmp_path: Path) -> None:
    owned = {"kw_per_gpu": 0.8, "usd_per_kwh": 0.1, "pue": 1.25}
    training = {"gpu_hours": 1000, "owned": owned}
    budget = budget_in(tmp_path, project_of(training=None) | {"training": training})
    # 0.8 kW × 1,000 h × 1.25 × 0.1.
    assert [item.total.expected for item in budget.items if item.line == "training"] == [100]
    assert any("owned machines" in text for text in budget.not_included)
    owned["capital_usd_per_gpu_hour"] = 1.5
    budget = budget_in(tmp_path, project_of(training=None) | {"training": training})
    assert [item.total.expected for item in budget.items if item.line == "training"] == [100, 1500]
    assert not any("owned machines" in text for text in budget.not_included)


def test_a_total_beyond_all_money_is_a_slip(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"total in USD, high = 1e\+24: more than all money there is"):
        budget_in(tmp_path, project_of(training={"gpu_hours": 1e12, "usd_per_gpu_hour": 1e12, "runs": 1}))


def test_the_tornado_moves_one_input_at_a_time(tmp_path: Path) -> None:
    project = {"name": "two inputs", "months": 1, "start": "2026-11"}
    training = {"gpu_hours": {"low": 50, "expected": 100, "high": 400}, "usd_per_gpu_hour": 2}
    budget = budget_in(tmp_path, project | {"training": training})
    assert [(one.input, one.usd_at_low, one.usd_at_high, one.own_range) for one in budget.sensitivity] == [
        ("training.gpu_hours", 100, 800, True),
        ("training.usd_per_gpu_hour", 160, 240, False),
    ]
    assert (budget.total.low, budget.total.expected, budget.total.high) == (100, 200, 800)


def _amount(most: float) -> st.SearchStrategy[Any]:
    plain = st.floats(0.01, most).map(lambda value: round(value, 2))
    ranged = st.tuples(plain, plain, plain).map(
        lambda three: dict(zip(("low", "expected", "high"), sorted(three), strict=True))
    )
    return plain | ranged


PROJECTS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"tb": _amount(9), "collection_usd_per_tb": _amount(999), "licensing_usd_per_month": _amount(99)}
        ),
        "training": st.fixed_dictionaries(
            {"gpu_hours": _amount(999), "usd_per_gpu_hour": _amount(9), "runs": _amount(3)}
        ),
        "inference": st.fixed_dictionaries(
            {
                "usd_per_query": _amount(1),
                "users": _amount(999),
                "queries_per_user_day": _amount(9),
                "growth_per_month": _amount(0.5),
                "from_month": st.integers(1, 6),
            }
        ),
        "engineering": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.just("r"),
                    "people": _amount(5),
                    "salary_usd_per_year": _amount(9999),
                    "months": _amount(9),
                }
            ),
            min_size=1,
            max_size=2,
        ),
    }
)


@settings(max_examples=30)
@given(lines=PROJECTS)
def test_low_expected_and_high_are_in_order_and_all_sums_are_exact(
    lines: dict[str, Any], tmp_path_factory: Any
) -> None:
    budget = budget_in(tmp_path_factory.mktemp("p"), {"name": "p", "months": 6, "start": "2026-11", **lines})
    for case in ("low", "expected", "high"):
        by_item = [getattr(month, case) for item in budget.items for month in item.monthly]
        by_line = [getattr(month, case) for line in budget.lines for month in line.monthly]
        assert all(usd == usd.quantize(D("0.01")) for usd in by_item)
        assert sum(by_item) == sum(by_line) == getattr(budget.total, case)
        assert sum(getattr(line.total, case) for line in budget.lines) == getattr(budget.total, case)
    for item in budget.items:
        for month in (*item.monthly, item.total):
            assert month.low <= month.expected <= month.high
    for swing in budget.sensitivity:
        assert swing.usd_at_low <= budget.total.expected <= swing.usd_at_high


@settings(max_examples=30)
@given(lines=PROJECTS, more=st.integers(1, 1000))
def test_more_users_are_never_cheaper_at_one_price_per_query(
    lines: dict[str, Any], more: int, tmp_path_factory: Any
) -> None:
    directory, head = tmp_path_factory.mktemp("p"), {"name": "p", "months": 6, "start": "2026-11"}
    lines["inference"]["users"] = 500
    fewer = budget_in(directory, head | lines).total
    lines["inference"]["users"] = 500 + more
    greater = budget_in(directory, head | lines).total
    assert (fewer.low, fewer.expected, fewer.high) <= (greater.low, greater.expected, greater.high)
    assert fewer.expected <= greater.expected
    assert fewer.high <= greater.high
