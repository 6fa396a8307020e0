"""JSON, CSV and Markdown: complete, recomputable, and the same words as the table."""

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hand_made_parts import MONTHLY_USD, option
from hand_made_plans import HORIZON_USD, long_plan, plan

from optimiser.errors import UsageError
from optimiser.planning.plan import Plan, to_jsonable
from optimiser.report import FORMATS, renderer
from optimiser.report.document import Chart, Table
from optimiser.report.sections import document


def rows(made: Plan) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(renderer("csv")(made))))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_in_one_line_break(name: str) -> None:
    text = renderer(name)(plan(), explain=True)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UsageError, match=r"--format: format = 'jsn': did you mean json"):
        renderer("jsn")


def test_json_is_every_field_in_order_and_the_same_with_and_without_explain() -> None:
    text = renderer("json")(plan())
    assert json.loads(text) == to_jsonable(plan())
    assert list(json.loads(text))[:3] == ["schema_version", "tool_version", "planned_on"]
    assert renderer("json")(plan(), explain=True) == text


def test_cost_can_be_recomputed_from_json_alone() -> None:
    content = json.loads(renderer("json")(plan()))
    options = {one["id"]: one for one in content["options"]}
    offers = {one["id"]: one for one in content["offers"]}
    purchases = {one["id"]: one for one in content["purchases"]}
    total = Decimal(0)
    for count in content["counts"]:
        bought = purchases[count["purchase"]]
        instances = count["units"] * options[bought["option"]]["instances_per_unit"]
        hours = Decimal(str(content["periods"][count["period"]]["hours"]))
        total += instances * Decimal(offers[bought["offer"]]["planned_usd_per_hour"]) * hours
    assert total == Decimal(content["totals"]["horizon_usd"]) == HORIZON_USD
    assert total * 730 / 24 == Decimal(content["totals"]["monthly_usd"]) == MONTHLY_USD


def test_csv_has_a_row_for_every_period_and_purchase_and_sums_to_the_horizon() -> None:
    found = rows(plan())
    assert len(found) == 4 * 3
    assert sum(Decimal(row["usd"]) for row in found) == HORIZON_USD
    assert [row["units"] for row in found if row["how"] == "spot"] == ["0", "0", "1", "0"]
    assert found[0] | {"purchase": ""} == {
        "scenario": "as measured",
        "period_start": "2026-06-01T00:00:00Z",
        "hours": "6",
        "planned_rps": "10",
        "purchase": "",
        "how": "commitment",
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "p5.48xlarge",
        "units": "2",
        "instances": "2",
        "usd": "480",
        "rate_rps": "10.0",
        "margin": "0.2",
    }


def test_csv_counts_the_instances_of_groups() -> None:
    found = rows(plan(options=(option(instances_per_unit=4),)))
    assert {(row["units"], row["instances"]) for row in found if row["how"] == "commitment"} == {("2", "8")}
    assert sum(Decimal(row["usd"]) for row in found) == 4 * HORIZON_USD


def test_csv_of_a_year() -> None:
    found = rows(long_plan(8760))
    assert len(found) == 8760
    assert sum(Decimal(row["usd"]) for row in found) == 8760 * 4 * Decimal("55.04")


def test_markdown_tables_are_whole_and_hold_every_cell_of_the_report() -> None:
    text = renderer("markdown")(plan(), explain=True)
    content = document(plan(), explain=True)
    lines = text.splitlines()
    for section in content.sections:
        assert f"## {section.title}" in lines
        for block in section.blocks:
            if isinstance(block, Table):
                head = "| " + " | ".join(column.name for column in block.columns) + " |"
                assert head in lines
                for row in block.rows:
                    assert len(row.cells) == len(block.columns)
                    plain = text.replace("\\", "")
                    assert "| " + " | ".join(row.cells) + " |" in plain
                    assert row.detail in plain
            elif isinstance(block, Chart):
                assert "\n".join(block.lines) in text
            else:
                assert f"- {block}" in text.replace("\\", "")


def test_markdown_takes_no_name_for_markup() -> None:
    text = renderer("markdown")(plan(options=(option(instance_type="a|b_c*d<e"),)))
    assert r"a\|b\_c\*d\<e" in text


def test_reports_import_no_solver_no_tables_and_no_terminal_library_before_they_render() -> None:
    code = (
        "import sys, optimiser.report, optimiser.cli, optimiser.cli.app\n"
        "heavy = {'pandas', 'numpy', 'pulp', 'highspy', 'pydantic', 'yaml', 'rich.table', 'rich.console'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
