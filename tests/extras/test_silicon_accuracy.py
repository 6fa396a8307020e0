"""The accuracy report on measured operators: the rows they cover, and the roofline on the same."""

import csv
import json
from pathlib import Path

import pytest

from optimiser.accuracy.__main__ import main
from optimiser.accuracy.table import COLUMNS

ROW = {
    "source": "a benchmark of our own",
    "model": "LLaMA-3.1-8B",
    "gpu": "H100",
    "gpu_count": 1,
    "tp": 1,
    "pp": 1,
    "attn": "tp",
    "precision_weights": "bf16",
    "precision_kv": "bf16",
    "precision_source": "stated",
    "engine": "TensorRT-LLM",
    "isl": 1000,
    "osl": 1000,
    "isl_source": "stated",
    "scenario": "offline",
    "throughput_tok_s_total_output": 10_000,
}


def test_rows_that_operators_cover_are_judged_on_them_beside_the_roofline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows([ROW, ROW | {"gpu": "H100 NVL"}])

    def offline(*arguments: str) -> dict[str, dict[str, float]]:
        assert main([str(table), "--format", "json", *arguments]) == 0
        report = json.loads(capsys.readouterr().out)
        reasons = [one["reason"] for one in report["left_out"]]
        assert ("measured operators do not cover it" in reasons) == bool(arguments)
        return {one["set"]: one for one in report["sets"]}["offline, dense"]

    plain, found = offline(), offline("--performance", "silicon")
    assert (plain["errors"]["figures"], found["errors"]["figures"]) == (2, 1)
    assert found["errors_of_roofline"]["figures"] == 1
    assert found["errors"]["bias"] != found["errors_of_roofline"]["bias"]
    assert plain["errors_of_roofline"] is None
