"""What all runs of a job come to in whole terms and Capacity Blocks, worked by hand and against cycles laid out."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.costing.project.amounts import Range
from optimiser.costing.project.job_runs import JobCash, RunPaid, RunsPaid, Terms, Use, terms_of, usd_of_runs

# 1,358 h a run on a cluster whose year is $1,000, all at its start, and $10 of storage a run.
YEAR = RunPaid(
    hours=Decimal(1358),
    usd=Decimal(10),
    term_months=12,
    term_usd=Decimal(1000),
    upfront_usd=Decimal(1000),
    whole=False,
)
BLOCK = replace(
    YEAR, usd=Decimal(300), term_months=0, term_usd=Decimal(0), upfront_usd=Decimal(290), whole=True
)
IN_TURN = Use(begins=0, months=4, horizon=6, evenly=False)


def cycles(begins: int, horizon: int) -> Use:
    return Use(begins=begins, months=horizon - begins, horizon=horizon, evenly=True)


@pytest.mark.parametrize(
    ("runs", "usd"),
    # 8,760 h hold 6.45 runs of 1,358 h.
    [("1", 1010), ("1.5", 1015), ("2", 1020), ("6.4", 1064), ("6.5", 2065), ("13", 3130)],
)
def test_runs_one_after_another_pay_for_whole_terms_together(runs: str, usd: int) -> None:
    assert usd_of_runs(YEAR, IN_TURN, Decimal(runs), YEAR.hours) == usd


def test_a_block_is_bought_for_each_run_and_a_part_of_one() -> None:
    assert [usd_of_runs(BLOCK, IN_TURN, Decimal(runs), BLOCK.hours) for runs in ("1", "1.5", "2")] == [
        300,
        600,
        600,
    ]


@pytest.mark.parametrize(
    ("use", "a_year", "hours", "terms"),
    [
        # Ten cycles of 1.9 months, three months apart: starts in months 0 to 27, the last ends in month 28.9.
        (cycles(0, 30), "4", 1358, (3, {0: 1, 12: 1, 24: 1}, 6)),
        # From the seventh month: starts in 6 … 27, 22.9 months later the last has ended.
        (cycles(6, 30), "4", 1358, (2, {6: 1, 18: 1}, 0)),
        # Once in two years: two terms, one for each, and not the three from the first to the last.
        (cycles(0, 36), "0.5", 1358, (2, {0: 1, 24: 1}, 0)),
        # Cycles of 6 months, 4 apart: two clusters until month 8 + 6 are four terms, one for each is three.
        (cycles(0, 12), "3", 4380, (3, {0: 1, 4: 1, 8: 1}, 8)),
        (cycles(0, 12), "0", 1358, (0, {}, 0)),
    ],
)
def test_cycles_pay_for_terms_from_the_first_to_the_last_or_for_one_each(
    use: Use, a_year: str, hours: int, terms: tuple[int, dict[int, int], int]
) -> None:
    found = terms_of(YEAR, use, use.runs(Decimal(a_year)), Decimal(hours))
    count, starting, beyond = terms
    assert {month: many for month, many in enumerate(found.starting) if many} == starting
    assert (found.count, found.months_beyond_end) == (count, beyond)


def test_terms_that_start_after_the_horizon_are_paid_in_its_last_month() -> None:
    # 13 × 1,358 h = 2.02 terms: at the months 0, 12 and 24 of a horizon of 6, until month 36.
    found = terms_of(YEAR, IN_TURN, Decimal(13), YEAR.hours)
    assert found == Terms(count=3, starting=(1, 0, 0, 0, 0, 2), months_beyond_end=30)


@given(
    a_year=st.integers(1, 24),
    hours=st.integers(1, 20_000),
    begins=st.integers(0, 40),
    months=st.integers(1, 80),
    term=st.sampled_from([1, 12, 36]),
)
def test_no_fewer_terms_than_it_takes_to_hold_every_cycle(
    a_year: int, hours: int, begins: int, months: int, term: int
) -> None:
    """Each cycle at its time: it goes on in a term whose cluster is free, and signs what it needs beyond that."""
    use = cycles(begins, begins + months)
    runs = use.runs(Decimal(a_year))
    found = terms_of(replace(YEAR, term_months=term), use, runs, Decimal(hours))
    lasts, clusters, signed = Fraction(hours, 730), list[tuple[Fraction, Fraction]](), 0
    for cycle in range(math.ceil(Fraction(a_year * months, 12))):
        start = Fraction(cycle * 12, a_year)
        free = [one for one in clusters if one[0] <= start]
        best = max(free, key=lambda one: one[1], default=None)
        ends = start if best is None else max(best[1], start)
        more = max(math.ceil((start + lasts - ends) / term), 0)
        signed += more
        if best is not None:
            clusters.remove(best)
        clusters.append((start + lasts, ends + more * term))
    assert found.count * term * 730 >= a_year * Fraction(months, 12) * hours
    # Signing when first needed is as good as any plan where cycles do not overlap.
    if lasts <= Fraction(12, a_year):
        assert found.count >= signed
    assert sum(found.starting) == found.count


@given(
    few=st.integers(1, 40),
    more=st.integers(0, 40),
    quick=st.integers(1, 9000),
    slow=st.integers(0, 9000),
    evenly=st.booleans(),
)
def test_more_or_longer_runs_never_cost_less(
    few: int, more: int, quick: int, slow: int, evenly: bool
) -> None:
    """Of cycles whole ones: the last half of nine starts after 24 months, the tenth half after 21.6."""
    use = cycles(3, 30) if evenly else IN_TURN
    usd = [
        usd_of_runs(YEAR, use, Decimal(runs) / (1 if evenly else 2), Decimal(hours))
        for runs, hours in ((few, quick), (few + more, quick), (few, quick + slow))
    ]
    assert usd[0] <= min(usd)
    if not evenly:
        assert (usd[0] // 1000) * 8760 + 8760 > few * quick / 2


def test_cash_up_front_stands_in_the_months_that_it_is_paid_in() -> None:
    months = ("2027-01", "2027-02", "2027-03", "2027-04", "2027-05", "2027-06")

    def paid(how: RunPaid) -> RunsPaid:
        return RunsPaid(
            section="training",
            asked="training.runs",
            use=IN_TURN,
            hours=Range(low=how.hours, expected=how.hours, high=how.hours),
            faster=how,
            expected=how,
            slower=replace(how, usd=how.usd + 5),
        )

    assert paid(YEAR).upfront(Decimal(2), months) == (JobCash(month="2027-01", usd=Decimal(1000)),)
    # Two and a half runs in four months start every 1.6: 0, 1.6 and 3.2 months in.
    assert [one.month for one in paid(BLOCK).upfront(Decimal("2.5"), months)] == [
        "2027-01",
        "2027-02",
        "2027-04",
    ]
    values = {"training.runs": Decimal(2), "training.job_hours": YEAR.hours}
    assert paid(YEAR).usd(values) == 1020
    # Slower by an hour takes at the least what the plan of slower runs does.
    assert paid(YEAR).usd(values | {"training.job_hours": YEAR.hours + 1}) == 1030
