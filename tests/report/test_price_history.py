"""The history of prices as a chart, as figures and as points: nothing drawn that was not fetched."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optimiser.report.history_page import HistoryQuestion, history_document, render_history
from optimiser.report.price_chart import chart
from optimiser.report.price_history import HistoryPoint, Moment, series_of
from optimiser.report.text_layout import text_of
from providers.fetch import Scope
from providers.offer import Tier

START = datetime(2026, 11, 19, 12, tzinfo=UTC)


def point(hour: float, usd: str | None, **fields: Any) -> HistoryPoint:
    """A spot price (None: Missing) so many hours after START."""
    amount = None if usd is None else Decimal(usd)
    return HistoryPoint(
        **{
            "provider": "aws",
            "region": "us-east-1",
            "region_kind": "region",
            "zone": "use1-az1",
            "instance_type": "p5.48xlarge",
            "tier": "spot",
            "market": "standard",
            "kind": "",
            "term_months": 0,
            "payment": "",
            "contract": "",
            "observed_at": START + timedelta(hours=hour),
            "usd_per_hour": amount,
            "upfront_usd": None if amount is None else Decimal(0),
            "amortised_usd_per_hour": amount,
            "snapshot_id": 1,
            "missing_reason": "" if usd else "none to spare",
            **fields,
        }
    )


CARRY = {"on_demand": 36.0, "reserved": 36.0, "spot": 6.0}


def drawn(*points: HistoryPoint, days: float = 1, carry: Mapping[str, float | None] = CARRY) -> list[str]:
    """The chart's lines, labels cut off at the axis."""
    series, _ = series_of(points, {})
    lines = chart(series, START, START + timedelta(days=days), carry).lines
    return [line[9:] for line in lines]


def question(days: int = 1, *zones: str) -> HistoryQuestion:
    return HistoryQuestion(
        instance_type="p5.48xlarge",
        since=START,
        until=START + timedelta(days=days),
        zones=zones,
        carry_hours=CARRY,
    )


def test_a_day_of_spot_prices_in_a_picture() -> None:
    # Columns of an hour, three characters wide: 10 $ for six, 20 $ for six, off sale for six, 10 $ for six.
    series, _ = series_of([point(0, "10"), point(6, "20"), point(12, None), point(18, "10")], {})
    six = 6 * 3
    assert chart(series, START, START + timedelta(days=1), CARRY).lines == (
        "   20.00 ┤" + " " * six + "a" * six,
        *["         ┤"] * 4,
        "    14.4 ┤",  # the fifth of ten levels from 10 to 20 is 10 + 10 × 4/9
        *["         ┤"] * 3,
        "   10.00 ┤" + "a" * six + " " * 2 * six + "a" * six,
        "         └Thu 12:00   Thu 16:00   Thu 20:00   Fri 00:00   Fri 04:00   Fri 08:00",
        "       a │" + "─" * 2 * six + "×" * six + "─" * six,
        "          ─ in force  × not on sale  blank: not fetched  (column: 1 h, UTC)",
    )


def test_a_price_is_not_carried_over_a_night_without_a_refresh() -> None:
    lines = drawn(point(0, "10"), point(20, "10"))
    assert lines[0] == "┤" + "aaa" * 6 + "   " * 14 + "aaa" * 4
    assert lines[2] == "│" + "───" * 6 + "   " * 14 + "───" * 4


def test_a_column_shows_all_the_prices_that_held_in_it() -> None:
    lines = drawn(point(0, "10"), point(0.5, "19"), point(0.75, "14"), point(1, "10"))
    # Levels 0 to 9 are 10 to 19 $: the first hour passed every one.
    assert [line[:4] for line in lines[:10]] == ["┤aaa"] * 10
    assert lines[0] == "┤aaa"


def test_a_missing_between_two_refreshes_of_one_column_is_still_seen() -> None:
    lines = drawn(point(0, "10"), point(0.2, None), point(0.4, "10"))
    assert lines[2].startswith("│×××───")


def test_series_that_meet_are_marked_as_several() -> None:
    other = {"zone": "use1-az2"}
    lines = drawn(point(0, "10"), point(0, "10", **other), point(6, "20"), point(6, "10", **other))
    assert lines[9] == "┤" + "***" * 6 + "bbb" * 6
    assert lines[0] == "┤" + "   " * 6 + "aaa" * 6
    assert [line[:2] for line in lines[11:13]] == ["│─", "│─"]


def test_a_step_that_the_cloud_told_holds_until_the_next_one() -> None:
    step = {"snapshot_id": 0}
    lines = drawn(point(0, "10", **step), point(15, "20", **step))
    assert lines[9] == "┤" + "aaa" * 15
    # The last one is not known to hold for longer than any other price.
    assert lines[0] == "┤" + "   " * 15 + "aaa" * 6


def test_a_tier_without_a_limit_is_carried_to_the_end() -> None:
    assert drawn(point(1, "10"), carry={"spot": None})[0] == "┤" + "   " + "aaa" * 23


def test_a_whole_region_that_is_missing_ends_its_zones_and_no_contract() -> None:
    points = [point(0, "10"), point(0, "8", contract="EDP"), point(5, None, zone="")]
    series, never = series_of(points, {})
    listed, agreed = series
    assert (listed.moments[-1].usd, listed.moments[-1].reason) == (None, "none to spare")
    # The refresh that saw the Missing saw no contract price either: off sale, with no reason given.
    assert (agreed.moments[-1].usd, agreed.moments[-1].reason) == (None, "")
    assert [one.zone for one in never] == [""]


def test_a_refresh_that_saw_the_neighbour_alone_ends_a_price() -> None:
    points = [point(0, "10"), point(0, "9", zone="use1-az2"), point(3, "9", zone="use1-az2")]
    series, _ = series_of(points, {})
    assert series[0].moments == (
        Moment(at=START, usd=Decimal(10)),
        Moment(at=START + timedelta(hours=3), usd=None),
    )
    assert len(series[1].prices) == 2


def test_a_step_that_the_cloud_told_of_one_zone_ends_no_price_of_another() -> None:
    points = [point(0, "10"), point(3, "9", zone="use1-az2", snapshot_id=0)]
    first, _ = series_of(points, {})[0]
    assert first.moments == (Moment(at=START, usd=Decimal(10)),)


def test_a_later_refresh_without_any_price_of_the_type_ends_it_and_one_of_another_scope_does_not() -> None:
    later = START + timedelta(hours=4)
    (ended,), _ = series_of([point(0, "10")], {Scope("aws", "us-east-1", Tier.SPOT): later})
    assert ended.moments[-1] == Moment(at=later, usd=None)
    (stays,), _ = series_of([point(0, "10")], {Scope("aws", "us-east-1", Tier.ON_DEMAND): later})
    assert stays.moments == (Moment(at=START, usd=Decimal(10)),)


def test_what_happened_before_the_first_price_is_no_part_of_a_series() -> None:
    (series,), _ = series_of([point(0, None), point(2, "10")], {})
    assert [moment.usd for moment in series.moments] == [Decimal(10)]


def test_the_figures_of_a_series_are_those_of_its_refreshes() -> None:
    (series,), _ = series_of([point(0, "10"), point(1, "30"), point(2, "14"), point(3, "15")], {})
    assert (min(series.prices), series.median, max(series.prices)) == (10, Decimal("14.5"), 30)
    assert series.relative == Decimal("0.5")


def test_the_page_has_the_cheapest_now_first_and_counts_the_rest() -> None:
    zones = {f"zone-{number}": str(20 - number) for number in range(9)}
    points = [point(20, usd, zone=zone) for zone, usd in zones.items()]
    # Cheaper than all, and not fetched any more.
    points.append(point(2, "1", region="old", zone="gone"))
    text = text_of(history_document(question(), points, {}))
    assert text.splitlines()[0] == (
        "p5.48xlarge, 1 day to 2026-11-20 12:00 UTC: 9 prices now, from 12.00 $/h (AWS zone-8, spot)"
    )
    figures = text[text.index("What the refreshes saw") :].splitlines()[2:]
    assert [line.split()[2] for line in figures[:6]] == [f"zone-{number}" for number in (8, 7, 6, 5, 4, 3)]
    assert figures[6].startswith("… and 4 more that cost more or have no price now:")


def test_what_has_no_price_now_says_since_when_and_why() -> None:
    text = text_of(history_document(question(), [point(0, "10"), point(4, None), point(20, None)], {}))
    assert "no price that is up to date" in text.splitlines()[0]
    assert "    not on sale since 2026-11-19 16:00, before at 10.00: none to spare" in text
    stale = text_of(history_document(question(), [point(0, "10")], {}))
    assert "    last fetched 24 h ago at 10.00" in stale


def test_a_place_that_never_had_a_price_is_named_with_its_reason() -> None:
    text = text_of(history_document(question(), [point(20, None, region="eu-west-1", zone="")], {}))
    assert text == (
        "p5.48xlarge, 1 day to 2026-11-20 12:00 UTC: no price that is up to date\n"
        "\n"
        "No price in this time\n"
        "where          tier  last fetched (UTC)  reason\n"
        "AWS eu-west-1  spot  2026-11-20 08:00    none to spare\n"
    )


def test_nothing_in_that_time_is_said_plainly() -> None:
    assert text_of(history_document(question(30), [], {})) == (
        "p5.48xlarge, 30 days to 2026-12-19 12:00 UTC: no price was fetched in that time\n"
    )


def test_a_zone_asked_for_shows_its_points_and_what_is_said_of_the_whole_region() -> None:
    points = [
        point(0, "10"),
        point(0, "9", zone="use1-az2"),
        point(3, "9", zone="use1-az2"),
        point(5, None, zone=""),
    ]
    asked = question(1, "use1-az1")
    rows = json.loads(render_history("json", asked, points, {}))
    assert [(row["zone"], row["usd_per_hour"]) for row in rows] == [("use1-az1", "10"), ("", None)]
    # The other zone is not shown, yet tells that this one was gone at three o'clock.
    text = render_history("table", asked, points, {})
    assert "use1-az2" not in text
    assert "not on sale since 2026-11-19 15:00" in text


def test_the_points_as_csv_are_exact() -> None:
    text = render_history("csv", question(), [point(0, "12.345678901"), point(1, None)], {})
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["usd_per_hour"], first["observed_at"]) == ("12.345678901", "2026-11-19T12:00:00Z")
    assert (second["usd_per_hour"], second["missing_reason"]) == ("", "none to spare")
    assert render_history("json", question(), [], {}) == "[]\n"


POINTS = st.lists(
    st.builds(
        lambda hour, cents, zone: point(
            hour, None if cents is None else str(Decimal(cents) / 100), zone=zone
        ),
        st.integers(0, 2400),
        st.one_of(st.none(), st.integers(1, 10_000_000)),
        st.sampled_from(["z1", "z2", "z3"]),
    ),
    max_size=25,
    unique_by=lambda one: (one.zone, one.observed_at),
)


@given(points=POINTS, days=st.integers(100, 3650))
def test_a_page_never_leaves_its_width_and_marks_no_column_without_a_price(
    points: list[HistoryPoint], days: int
) -> None:
    text = text_of(history_document(question(days), points, {}))
    assert max(map(len, text.splitlines())) <= 100
    series, never = series_of(points, {})
    assert sum(len(one.prices) for one in series) == sum(one.usd_per_hour is not None for one in points)
    assert {one.zone for one in never} == {one.zone for one in points} - {one.example.zone for one in series}
    if series:
        lines = chart(series, START, START + timedelta(days=days), CARRY).lines
        for letter, one in zip("abc", series, strict=False):
            strip = next(line for line in lines if line.startswith(f"       {letter} │"))
            assert ("×" in strip) >= any(moment.usd is None for moment in one.moments[-1:])
            assert set(strip[10:]) <= {"─", "×", " "}
            assert "─" in strip or "×" in strip
