"""The chart of demand against capacity: right heights, few columns, whatever the horizon."""

import pytest
from hand_made_plans import long_plan, plan

from optimiser.report.week import COLUMNS, bars, chart, title


def test_a_day_of_four_periods_in_a_picture() -> None:
    # Capacity 20, 30, 40, 20 req/s; planned 10, 20, 24, 10; mean 8, 12, 16, 8; a level is 5 req/s.
    assert chart(plan()).lines == (
        "      40 ┤      ░░░",
        "         ┤      ░░░",
        "         ┤   ░░░░░░",
        "         ┤   ░░░▒▒▒",
        "      20 ┤░░░▒▒▒▒▒▒░░░",
        "         ┤░░░▒▒▒███░░░",
        "         ┤████████████",
        "         ┤████████████",
        "       0 └00:00 12:00",
        "          █ demand  ▒ planned for bursts and start-up  ░ spare  (column: 6 h)",
    )


@pytest.mark.parametrize(("hours", "columns"), [(1, 1), (24, 24), (56, 56), (57, 29), (168, 56), (8760, 56)])
def test_periods_are_averaged_into_few_columns(hours: int, columns: int) -> None:
    found = bars(long_plan(hours))
    assert len(found) == columns <= COLUMNS
    width = -(-hours // columns)
    weights = [min(width, hours - index * width) for index in range(columns)]
    demand = sum(5.0 if hour % 24 < 12 else 15.0 for hour in range(hours))
    assert sum(bar.mean_rps * weight for bar, weight in zip(found, weights, strict=True)) == pytest.approx(
        demand
    )
    assert all(bar.capacity_rps == pytest.approx(40.0) for bar in found)


@pytest.mark.parametrize("hours", [1, 24, 168, 744, 8760])
def test_every_line_of_the_chart_fits(hours: int) -> None:
    lines = chart(long_plan(hours)).lines
    assert max(map(len, lines)) <= 100
    assert len(lines) == 10


def test_days_are_named_under_their_first_column() -> None:
    ticks = chart(long_plan(168)).lines[8]
    assert ticks.split("└")[1].split() == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert ticks.split("└")[1].index("Tue") == 8  # 24 h at 3 h a column
    assert "01 Jun" in chart(long_plan(8760)).lines[8]


def test_a_first_day_that_is_nearly_over_gives_its_place_to_the_next() -> None:
    week = long_plan(168)
    late = plan(periods=week.periods[22:], demand=week.demand[:146], purchases=week.purchases, counts=())
    assert chart(late).lines[8].split("└")[1].split()[0] == "Tue"


def test_the_title_says_how_long() -> None:
    assert title(long_plan(168)) == "The week, requests per second (UTC)"
    assert title(plan()) == "The 24 hours, requests per second (UTC)"


def test_an_idle_plan_still_has_a_chart() -> None:
    assert len(chart(plan(demand=(), counts=())).lines) == 10
