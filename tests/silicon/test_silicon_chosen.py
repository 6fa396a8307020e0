"""`performance: silicon`: where it is written, what is refused, and that nothing is imported without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.estimating import anchors_for
from optimiser.workload import load_workload

WORKLOAD = """
name: chat
model: llama-3.1-8b
demand: {requests_per_second: 1}
sizes: {prompt_tokens: 1000, output_tokens: 200}
"""


def workload(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "chat.yaml"
    path.write_text(WORKLOAD + more, encoding="utf-8")
    return path


def test_the_default_is_the_roofline(tmp_path: Path) -> None:
    assert load_config().settings.performance == "roofline"
    assert load_workload(workload(tmp_path)).performance is None


def test_settings_and_workload_choose_and_an_upper_layer_replaces(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("performance: silicon\n", encoding="utf-8")
    assert load_config(tmp_path).settings.performance == "silicon"
    assert load_config(tmp_path).settings.solver.relative_gap == load_config().settings.solver.relative_gap
    assert load_workload(workload(tmp_path, "performance: silicon")).performance == "silicon"


@pytest.mark.parametrize("value", ["silcon", "[silicon]", "null", "1"])
def test_an_unknown_value_in_settings_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "settings.yaml").write_text(f"performance: {value}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"settings\.yaml: performance = .*must be roofline or silicon"):
        load_config(tmp_path)


def test_an_unknown_value_in_a_workload_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"performance = 'silcon': .*did you mean silicon"):
        load_workload(workload(tmp_path, "performance: silcon"))


def test_silicon_without_the_library_is_refused_by_the_field_that_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How Python itself is told that a module is not to be had.
    monkeypatch.setitem(sys.modules, "aiconfigurator_core", None)
    install = r"pip install 'cloud-pricing-optimiser\[silicon\]'$"
    asking = load_workload(workload(tmp_path, "performance: silicon"))
    with pytest.raises(UsageError, match=f"^chat: performance = 'silicon': .*not installed: {install}"):
        anchors_for(asking, load_config())
    (tmp_path / "settings.yaml").write_text("performance: silicon\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"settings.yaml.*: performance = 'silicon': .*{install}"):
        anchors_for(load_workload(workload(tmp_path)), load_config(tmp_path))
    # The workload has the last word.
    anchors_for(load_workload(workload(tmp_path, "performance: roofline")), load_config(tmp_path))


def test_an_ordinary_estimate_imports_no_such_library(tmp_path: Path) -> None:
    package = tmp_path / "aiconfigurator_core"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    search = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    ran = subprocess.run(
        [sys.executable, "-m", "optimiser.cli", "estimate", str(workload(tmp_path))],
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "p5.48xlarge" in ran.stdout
