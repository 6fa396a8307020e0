"""Scenarios of a workload file: what each kind makes of the demand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser import UsageError
from optimiser.workload import DemandScenario, Workload, load_workload

WriteWorkload = Callable[..., Path]


def hourly(*rates: float) -> str:
    return f"demand: {{hourly_requests_per_second: {list(rates)}}}"


def scenarios(*rows: str) -> str:
    return "scenarios:\n" + "\n".join(f"  - {{{row}}}" for row in rows)


def half(how: str) -> str:
    """One scenario as demand is, and one of that kind."""
    return scenarios("name: usual, probability: 0.5", f"name: other, probability: 0.5, {how}")


def rates(course: DemandScenario | Workload) -> list[float]:
    return [period.mean_rps for period in course.periods]


def test_without_scenarios_there_is_none(write_workload: WriteWorkload) -> None:
    assert load_workload(write_workload()).scenarios == ()


def test_scale_growth_and_no_change_by_hand(write_workload: WriteWorkload) -> None:
    rows = (
        "name: usual, probability: 0.25",
        "name: more, probability: 0.25, scale: 1.5",
        "name: later, probability: 0.5, grow_per_month: 0.1, months: 2",
    )
    workload = load_workload(write_workload(demand=hourly(10, 20), scenarios=scenarios(*rows)))
    usual, more, later = workload.scenarios
    assert [(one.name, one.probability) for one in workload.scenarios] == [
        ("usual", 0.25),
        ("more", 0.25),
        ("later", 0.5),
    ]
    assert usual.periods == workload.periods
    assert rates(more) == [15, 30]
    assert rates(later) == pytest.approx([12.1, 24.2])
    assert [p.start for p in later.periods] == [p.start for p in workload.periods]


def test_scale_of_the_demand_is_in_every_course_made_of_it(write_workload: WriteWorkload) -> None:
    path = write_workload(demand=hourly(10, 20), scenarios=half("scale: 2"))
    workload = load_workload(path, {"demand.scale": "3"})
    assert [rates(one) for one in workload.scenarios] == [[30, 60], [60, 120]]


def test_thirds_written_to_six_digits_are_made_to_add_up(write_workload: WriteWorkload) -> None:
    rows = [f"name: s{n}, probability: 0.333333, scale: {n + 1}" for n in range(3)]
    found = load_workload(write_workload(scenarios=scenarios(*rows))).scenarios
    assert sum(one.probability for one in found) == pytest.approx(1, abs=1e-15)


def test_the_busiest_day_is_a_local_one(write_workload: WriteWorkload) -> None:
    # 22:00 UTC on the 4th is Monday 00:00 in Athens (UTC+2): the local days are hours 0 to 23 and 24 to 47.
    week = [1.0] * 24 + [2.0] * 24
    path = write_workload(
        demand=f"demand: {{hourly_requests_per_second: {week}}}",
        timezone="timezone: Europe/Athens",
        scenarios=half("bad_day: {factor: 3}"),
    )
    assert rates(load_workload(path).scenarios[1]) == [1.0] * 24 + [6.0] * 24


def test_a_bad_day_by_its_date_also_raises_its_peaks(write_workload: WriteWorkload, tmp_path: Path) -> None:
    rows = "".join(f"{hour},1,{2 if hour % 2 else ''}\n" for hour in range(48))
    (tmp_path / "p.csv").write_text("hour,mean_rps,peak_10min_rps\n" + rows)
    demand = "demand: {profile: p.csv, start: 2026-01-05}"
    path = write_workload(demand=demand, scenarios=half("bad_day: {factor: 2, day: 2026-01-06}"))
    periods = load_workload(path).scenarios[1].periods
    assert [p.mean_rps for p in periods] == [1] * 24 + [2] * 24
    assert [p.peak_10min_rps for p in periods[22:26]] == [None, 2, None, 4]


def profile(folder: Path, values: list[float], peaks: float | None = None) -> str:
    peak = "" if peaks is None else str(peaks)
    rows = "".join(f"{hour},{rate},{peak}\n" for hour, rate in enumerate(values))
    (folder / "p.csv").write_text("hour,mean_rps,peak_10min_rps\n" + rows)
    return "demand: {profile: p.csv}"


def test_the_quantile_is_that_of_the_hour_of_the_day(write_workload: WriteWorkload, tmp_path: Path) -> None:
    # Three days: hour 0 at 1, 5, 2 and hour 1 at 4, 4, 10; the median is 2 and 4, the 0.9 quantile 4.4 and 8.8.
    days = [[1.0, 4.0], [5.0, 4.0], [2.0, 10.0]]
    values = [rate for day in days for rate in (*day, *[0.5] * 22)]
    demand = profile(tmp_path, values, peaks=11)
    for quantile, first, second in ((0.5, 2, 4), (0.9, 4.4, 8.8), (1, 5, 10), (0, 1, 4)):
        found = load_workload(write_workload(demand=demand, scenarios=half(f"quantile: {quantile}")))
        other = found.scenarios[1]
        assert rates(other) == pytest.approx([first, second, *[0.5] * 22] * 3)
        assert {p.peak_10min_rps for p in other.periods} == {11}


def test_from_two_weeks_on_it_is_that_of_the_hour_of_the_week(
    write_workload: WriteWorkload, tmp_path: Path
) -> None:
    values = [float(n) for n in range(168)] + [float(n + 10) for n in range(168)]
    path = write_workload(demand=profile(tmp_path, values), scenarios=half("quantile: 0.5"))
    assert rates(load_workload(path).scenarios[1]) == pytest.approx([n + 5.0 for n in range(168)] * 2)


@given(st.lists(st.floats(0, 100), min_size=48, max_size=72), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_quantile_is_nowhere_lower_and_within_what_was_measured(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], low: float, high: float
) -> None:
    folder = tmp_path_factory.mktemp("quantiles")
    low, high = sorted((low, high))
    rows = (
        f"name: low, probability: 0.5, quantile: {low}",
        f"name: high, probability: 0.5, quantile: {high}",
    )
    text = f"name: w\nmodel: m\nsizes: {{prompt_tokens: 9, output_tokens: 9}}\n{scenarios(*rows)}\n"
    (folder / "w.yaml").write_text(text + profile(folder, [*values[:-1], 1.0]))
    lower, higher = map(rates, load_workload(folder / "w.yaml").scenarios)
    assert all(a <= b + 1e-9 for a, b in zip(lower, higher, strict=True))
    assert max(higher) <= max(*values[:-1], 1.0) + 1e-9


def test_a_demand_of_its_own_lies_over_the_times_of_the_workloads(
    write_workload: WriteWorkload, tmp_path: Path
) -> None:
    lines = "\n".join(f"2024-11-29T0{hour}:00:00Z,{hour + 5},9" for hour in range(2))
    (tmp_path / "sale.csv").write_text(f"timestamp,mean_rps,peak_10min_rps\n{lines}\n")
    path = write_workload(demand=hourly(1, 2), scenarios=half("demand: {profile: sale.csv, scale: 2}"))
    workload = load_workload(path)
    other = workload.scenarios[1]
    assert [(p.mean_rps, p.peak_10min_rps) for p in other.periods] == [(10, 18), (12, 18)]
    assert [p.start for p in other.periods] == [p.start for p in workload.periods]


def test_a_flat_week_over_a_batch_begins_with_it_and_says_what_was_assumed(
    write_workload: WriteWorkload,
) -> None:
    batch = "demand: {start: 2026-03-02, batch: {requests: 3600, start: 22:00, deadline_hours: 1}}"
    path = write_workload(demand=batch, scenarios=half("demand: {requests_per_second: 3}"))
    workload = load_workload(path)
    assert workload.scenarios[1].periods[0].start.date() == date(2026, 3, 2)
    assert [p.exact for p in workload.scenarios[0].periods[:2]] == [True, True]
    assert any(note.startswith("scenario 'other': one rate was given") for note in workload.notes)
    assert not any("no start given" in note for note in workload.notes)


WEEK = "demand: {requests_per_second: 2.0}"
BAD = {
    "probabilities that do not add up": (
        WEEK,
        scenarios("name: a, probability: 0.5", "name: b, probability: 0.4"),
        ["sum of scenarios probabilities = 0.9", "add up to 1"],
    ),
    "no scenario": (WEEK, "scenarios: []", ["scenarios = []", "at least one entry"]),
    "a name twice": (
        WEEK,
        scenarios("name: a, probability: 0.5", "name: a, probability: 0.5"),
        ["scenarios[1].name = 'a'", "another scenario has that name"],
    ),
    "two kinds": (
        WEEK,
        half("scale: 2, quantile: 0.5"),
        ["scenarios[1] = 'scale, quantile'", "at most one of scale, grow_per_month, bad_day"],
    ),
    "growth without months": (WEEK, half("grow_per_month: 0.1"), ["scenarios[1].months is missing"]),
    "months alone": (WEEK, half("months: 3"), ["scenarios[1].grow_per_month is missing"]),
    "a probability of 0": (
        WEEK,
        scenarios("name: a, probability: 1", "name: b, probability: 0"),
        ["scenarios[1].probability = 0", "above 0"],
    ),
    "no probability": (WEEK, "scenarios: [{name: a}]", ["scenarios[0].probability is missing"]),
    "true for a probability": (WEEK, "scenarios: [{name: a, probability: true}]", ["not true or false"]),
    "a misspelt kind": (WEEK, half("scales: 2"), ["scenarios[1].scales = 2", "did you mean scale?"]),
    "a misspelt part of a bad day": (
        WEEK,
        half("bad_day: {faktor: 2}"),
        ["scenarios[1].bad_day.faktor", "did you mean factor?"],
    ),
    "shrinking to nothing": (
        WEEK,
        half("grow_per_month: -1, months: 1"),
        ["grow_per_month = -1", "above -1"],
    ),
    "a day that is none": (WEEK, half("bad_day: {factor: 2, day: Fridy}"), ["'Fridy'", "a date, or busiest"]),
    "a day of another week": (
        WEEK,
        half("bad_day: {factor: 2, day: 2026-02-01}"),
        ["scenarios[1]: bad_day.day = '2026-02-01'", "from 2026-01-05 to 2026-01-11"],
    ),
    "a quantile of no measurement": (
        WEEK,
        half("quantile: 0.9"),
        ["scenarios[1]: quantile = 0.9", "a profile or a trace"],
    ),
    "a quantile above 1": (WEEK, half("quantile: 90"), ["scenarios[1].quantile = 90", "at most 1"]),
    "another horizon": (
        WEEK,
        half("demand: {hourly_requests_per_second: [1, 2]}"),
        ["scenarios[1]: periods of demand = 2", "168"],
    ),
    "a demand of two kinds": (
        WEEK,
        half("demand: {requests_per_second: 1, profile: p.csv}"),
        ["scenarios[1].demand = 'requests_per_second, profile'", "exactly one of"],
    ),
    "a file that is not there": (
        WEEK,
        half("demand: {profile: gone.csv}"),
        ["scenario 'other':", "gone.csv"],
    ),
    "a name of two lines": (
        WEEK,
        'scenarios: [{name: "a\\nb", probability: 1, scale: 1}]',
        ["scenarios[0].name = 'a\\nb'", "without control characters"],
    ),
    "no mapping": (WEEK, "scenarios: [busy]", ["scenarios[0] = 'busy'", "a mapping of fields"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name: str, write_workload: WriteWorkload) -> None:
    demand, text, said = BAD[name]
    with pytest.raises(UsageError) as caught:
        load_workload(write_workload(demand=demand, scenarios=text))
    for part in said:
        assert part in str(caught.value)
    assert ("gone.csv" if "gone" in text else "workload.yaml") in str(caught.value)


def test_too_short_a_profile_has_no_quantiles(write_workload: WriteWorkload, tmp_path: Path) -> None:
    path = write_workload(demand=profile(tmp_path, [1.0] * 47), scenarios=half("quantile: 0.9"))
    with pytest.raises(UsageError, match="two days or more of measured rates, and there are 47 hours"):
        load_workload(path)


def test_periods_of_another_length_are_refused(write_workload: WriteWorkload, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "time,prompt_tokens,output_tokens\n" + "".join(f"{s},9,9\n" for s in (0, 1800, 3000))
    )
    path = write_workload(demand=hourly(1), scenarios=half("demand: {trace: t.csv}"))
    with pytest.raises(
        UsageError, match=r"scenarios\[1\]: length of period 0 = 0\.833: as long as .* 1 hours"
    ):
        load_workload(path)
