"""The accuracy report on measured operators: the rows they cover, and the roofline on the same."""

import json
from pathlib import Path

import pytest
from measurement_rows import offline, write_table

from optimiser.accuracy.__main__ import main


def test_rows_that_operators_cover_are_judged_on_them_beside_the_roofline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "table.csv", [offline(), offline(line=3, gpu="H100 NVL")])

    def judged(*arguments: str) -> dict[str, dict[str, float]]:
        assert main([str(table), "--format", "json", *arguments]) == 0
        report = json.loads(capsys.readouterr().out)
        reasons = [one["reason"] for one in report["left_out"]]
        assert ("measured operators do not cover it" in reasons) == bool(arguments)
        return {one["set"]: one for one in report["sets"]}["offline, dense"]

    plain, found = judged(), judged("--performance", "silicon")
    assert (plain["errors"]["figures"], found["errors"]["figures"]) == (2, 1)
    assert found["errors_of_roofline"]["figures"] == 1
    assert found["errors"]["bias"] != found["errors_of_roofline"]["bias"]
    assert plain["errors_of_roofline"] is None
