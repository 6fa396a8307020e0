"""The row-by-row reader and the book, which reads whole columns: the same rows, faults, lines and prices."""

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.prices.book import load_book
from optimiser.prices.rows import COLUMNS
from optimiser.prices.snapshot import read_offers_csv

AS_OF = date(2026, 11, 21)
SHAPES = {("acme", "big"), ("acme", "small")}
ROW = {
    "provider": "acme",
    "region": "north",
    "instance_type": "big",
    "tier": "on_demand",
    "usd_per_hour": "2",
    "observed_on": "2026-11-01",
    "source": "list",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


FAULTS = [
    {"usd_per_hour": "free"},
    {"usd_per_hour": "-1"},
    {"usd_per_hour": "nan"},
    {"usd_per_hour": "inf"},
    {"usd_per_hour": "0"},
    {"usd_per_hour": ""},
    {"missing_reason": "and yet"},
    {"tier": "ondemand"},
    {"region_kind": "planet"},
    {"zone": "a"},
    {"observed_on": "yesterday"},
    {"observed_on": ""},
    {"valid_until": "2026-02-30"},
    {"max_instances": "-3"},
    {"max_instances": "many"},
    {"term_months": "12"},
    {"term_months": "1.5"},
    {"kind": "savings_plan"},
    {"payment": "no_upfront"},
    {"upfront_usd": "-5"},
    {"observed_on_is_lower_bound": "so"},
    {"provider": ""},
    {"region": ""},
    {"instance_type": ""},
    {"source": ""},
    {"tier": "reserved"},
    {"tier": "reserved", "kind": "savings_plan"},
    {"tier": "reserved", "kind": "savings_plan", "term_months": "12", "payment": "all_upfront"},
    {"tier": "reserved", "kind": "savings_plan", "term_months": "0"},
    {"tier": "reserved", "term_months": "12"},
    {"tier": "reserved", "kind": "savings_plan", "term_months": "999"},
    {"usd_per_hour": "200000"},
    {"usd_per_hour": "0.0000000000000000001"},
    {"upfront_usd": "100"},
    {"region": "us/east-1"},
    {"contract": "a/b"},
    {"observed_on": "2026-1-1"},
    {"observed_on": "2026-W45-1"},
    {"valid_until": "20261109"},
    {"max_instances": "1e3"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: ",".join(fault.values()) or "blank")
def test_book_and_reader_refuse_the_same_rows_with_the_same_message(
    tmp_path: Path, fault: dict[str, str]
) -> None:
    path = write(tmp_path / "acme.csv", {**ROW, "region": "south"}, {**ROW, **fault})
    with pytest.raises(UsageError) as by_row:
        read_offers_csv(path)
    with pytest.raises(UsageError) as by_column:
        load_book([path], SHAPES, AS_OF)
    assert str(by_column.value) == str(by_row.value)
    assert "acme.csv line 3: " in str(by_column.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("provider,region\n", "is no price file"),
        ("provider,price\nacme,1\n", "column = 'price'"),
        ("region,tier\nnorth,spot\n", "no price file without provider, instance_type, observed_on, source"),
        (",".join(ROW) + "\n" + ",".join(ROW.values()) + ",1\n", "8 cells where the header names 7"),
        (",".join(ROW) + "\n" + ",".join(list(ROW.values())[:-1]) + "\n", "6 cells where the header names 7"),
        (",".join(ROW) + "\n" + 2 * (",".join(ROW.values()) + "\n"), "line 3: key = "),
    ],
)
def test_a_file_that_is_no_price_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "acme.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_book([path], SHAPES, AS_OF)
    assert "acme.csv" in str(caught.value)
    assert words in str(caught.value)


CELLS = {
    "provider": ["acme"],
    "region": ["north", "a/b", ""],
    "region_kind": ["", "region", "local_zone", "Region"],
    "zone": ["", "a", "a/b"],
    "instance_type": ["big", " small "],
    "tier": ["on_demand", "spot", "reserved", "Spot"],
    "market": ["", "standard", "flex_start", "x/y"],
    "kind": ["", "savings_plan", "my own word"],
    "term_months": ["", "0", "12", "012", "121", "1.0", "٣"],
    "payment": ["", "no_upfront", "partial_upfront", "all_upfront", "later"],
    "contract": ["", "edp", "standard"],
    "usd_per_hour": [
        "2",
        "",
        "0",
        "0.0",
        ".5",
        "2e-3",
        "1e-40",
        "100000",
        "100000.01",
        "1_0",
        "-1",
        "٣",
        "nan",
    ],
    "upfront_usd": ["", "0", "500", "1000000001", "1e9999999999999999999"],
    "max_instances": ["", "3", "0", "2.5", "9" * 5000],
    "valid_until": ["", "2027-06-30", "9999-12-31", "2027-6-30", "2026-02-30"],
    "observed_on": ["2026-11-01", "0001-01-01", "2026-1-1", "2026-W45-1", "2026-11-01T00"],
    "observed_on_is_lower_bound": ["", "true", "TRUE", "False", "yes"],
    "source": ["list", 'a "quoted", comma list', "two\nlines", " "],
    "missing_reason": ["", "not on sale"],
}
SOUND = ("list", "2", "2026-11-01", "north", "big", "on_demand")


@st.composite
def cell_rows(draw: st.DrawFn) -> dict[str, str]:
    """Rows that are mostly sound, so that what a few unusual cells do shows."""
    usual = {name: next((c for c in cells if c in SOUND), cells[0]) for name, cells in CELLS.items()}
    if draw(st.booleans()):
        usual |= {"tier": "reserved", "kind": "savings_plan", "term_months": "12"}
    unusual = draw(st.sets(st.sampled_from(list(CELLS)), max_size=3))
    return usual | {name: draw(st.sampled_from(CELLS[name])) for name in unusual}


@settings(max_examples=50)
@given(st.lists(cell_rows(), min_size=1, max_size=2))
def test_reader_and_book_accept_the_same_rows_and_say_the_same_of_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    path = write(tmp_path_factory.mktemp("rows") / "acme.csv", *rows)
    try:
        expected, gone = read_offers_csv(path)
    except UsageError as fault:
        said = str(fault)
        with pytest.raises(UsageError) as caught:
            load_book([path], SHAPES, date(2020, 1, 1))
        assert str(caught.value) == said
        return
    book = load_book([path], SHAPES, date(2020, 1, 1))
    assert {offer.offer_id: offer for offer in expected} == {
        key: book.offer(key) for key in book.offers.index
    }
    places = {offer.place for offer in expected if not offer.contract}
    assert len(book.missing) == len({one.place for one in gone} - places)


@pytest.mark.parametrize(
    "text",
    [
        "{0}\n{1}\n{2}",
        "{0}\n\n{1}\n,,,,,,\n{2}\n\n",
        "{0}\r\n{1}\r\n{2}\r\n",
        "\ufeff {0} \n {1} \n{2}\n",
        '{0}\n{1}\n"acme","north","small","on_demand","2","2026-11-01","list"\n',
    ],
)
def test_a_file_s_line_ends_blank_lines_and_quotes_change_no_price_and_no_line_number(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "acme.csv"
    rows = [",".join({**ROW, "instance_type": name}.values()) for name in ("big", "small")]
    path.write_bytes(text.format(",".join(ROW), *rows).encode())
    book = load_book([path], SHAPES, AS_OF)
    lines = {name: text[: text.index(mark)].count("\n") + 1 for name, mark in (("big", "{1}"),)}
    assert list(book.offers["instance_type"]) == ["big", "small"]
    assert book.offers["line"].iloc[0] == lines["big"]
    assert [book.offer(key) for key in book.offers.index] == read_offers_csv(path)[0]


@pytest.mark.parametrize("row", ['a"cme', '"a"cme', '"acme'])
def test_bad_quoting_is_refused_by_both_or_by_none(tmp_path: Path, row: str) -> None:
    path = tmp_path / "acme.csv"
    rest = ",".join(list(ROW.values())[1:])
    path.write_text(f"{','.join(ROW)}\n{row},{rest}\n", encoding="utf-8")
    try:
        read_offers_csv(path)
    except UsageError as fault:
        said = str(fault)
        with pytest.raises(UsageError) as caught:
            load_book([path], SHAPES, AS_OF)
        assert str(caught.value) == said
    else:
        assert row == 'a"cme'
        assert list(load_book([path], SHAPES, AS_OF).missing["provider"]) == [row]
