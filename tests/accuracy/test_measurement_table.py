"""Reading a table of measurements: typed rows, and one message for a table that is wrong."""

from pathlib import Path

import pytest
from measurement_rows import at_concurrency, offline, write_table

from optimiser.accuracy.table import COLUMNS, read_measurements
from optimiser.errors import UsageError


def test_rows_come_back_as_written_with_their_lines(tmp_path: Path) -> None:
    rows = [offline(2), at_concurrency(4, 3, tp=None, notes="moe_tp=1.0, moe_ep=1.0")]
    assert list(read_measurements(write_table(tmp_path / "table.csv", rows))) == rows


def test_counts_may_be_written_as_decimals(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", [offline()])
    path.write_text(path.read_text().replace("H100,1,1,1,", "H100,8,4.0,2.0,"))
    row = read_measurements(path)[0]
    assert (row.gpu_count, row.tp, row.pp) == (8, 4, 2)
    assert isinstance(row.tp, int)


def test_columns_it_does_not_know_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    lines = write_table(path, [offline()]).read_text().splitlines()
    path.write_text(f"{lines[0]},seen_on\n{lines[1]},Monday\n")
    assert list(read_measurements(path)) == [offline()]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("isl", "many", "table.csv line 3: isl = 'many': must be a number"),
        ("tpot_ms", "nan", "table.csv line 3: tpot_ms = 'nan': must be a number above 0"),
        ("osl", "0", "table.csv line 3: osl = '0': must be a number above 0"),
        ("throughput_tok_s_total_output", "-5", "must be a number above 0"),
        ("gpu_count", "1.5", "table.csv line 3: gpu_count = '1.5': must be a whole number"),
        ("gpu", "", "table.csv line 3: gpu = '': must be filled"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line(tmp_path: Path, column: str, cell: str, message: str) -> None:
    path = write_table(tmp_path / "table.csv", [offline(), offline()])
    lines = path.read_text().splitlines()
    cells = lines[2].split(",")
    cells[COLUMNS.index(column)] = cell
    path.write_text("\n".join([*lines[:2], ",".join(cells)]))
    with pytest.raises(UsageError) as fault:
        read_measurements(path)
    assert message in str(fault.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", [offline()])
    path.write_text(path.read_text().replace("tpot_ms", "tpot"))
    with pytest.raises(UsageError, match="column 'tpot_ms' is missing"):
        read_measurements(path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rows"):
        read_measurements(write_table(tmp_path / "table.csv", []))


def test_no_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read"):
        read_measurements(tmp_path / "none.csv")
