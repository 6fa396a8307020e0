"""The file of a calibration, the driver's state in it, and the entry it puts into a config directory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_calibrations import Planted, made, served_load

from optimiser.calibration.fitting import FEW_ROWS, FEWEST_POINTS, MANY_ROWS, SHORTEST_PROMPT
from optimiser.calibration.nvidia_smi import gpu_state, state_of
from optimiser.calibration.own_config import write_own_shares
from optimiser.calibration.points import GpuState, LeftOut, calibration_json, read_calibration
from optimiser.calibration.sizes import layer_products, sizes_for
from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.performance.parameters import parameter_count
from optimiser.performance.specs import Calibrated

OWN = Calibrated(
    gpu="H100", compute=0.5, bandwidth=0.7, measured_on="2026-11-20", driver="580.95", basis="kernels: so"
)


def test_a_calibration_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    left = LeftOut(
        section="read", case="sum", precision="fp32", sizes={"bytes": 1 << 34}, reason="no room: ü"
    )
    whole = replace(made(Planted(grouped={"zipf": 0.5})), left_out=(left,), under_load=GpuState())
    alone = replace(served_load(), decode_step_s=None)
    whole = replace(whole, serving=(served_load(1.0, 37.0), served_load(), alone))
    path = tmp_path / "made.json"
    path.write_text(calibration_json(whole, {"peaks": {}}), encoding="utf-8")
    assert read_calibration(path) == whole
    empty = replace(whole, points=(), left_out=(), serving=())
    path.write_text(calibration_json(empty, {}), encoding="utf-8")
    assert read_calibration(path) == empty


def test_a_file_of_version_1_0_which_served_nothing_is_read(tmp_path: Path) -> None:
    content = json.loads(calibration_json(made(Planted()), {})) | {"schema_version": "1.0"}
    assert content.pop("serving") == []
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_calibration(path) == made(Planted())


def change(content: dict[str, Any], where: str, value: object) -> None:
    *path, last = where.split(".")
    at: Any = content
    for step in path:
        at = at[int(step)] if step.isdigit() else at[step]
    at[last] = value


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("schema_version", "2.0", "schema_version = '2.0': a calibration of version 1.1"),
        ("schema_version", None, "schema_version = null: a calibration of version 1.1"),
        ("colour", "red", "unknown field 'colour'"),
        ("points", {}, "points = {}: must be a list"),
        ("points.0.section", "producs", "points 0: section = 'producs': did you mean products?"),
        ("points.0.seconds", 0, "points 0: seconds = 0.0: must be above 0"),
        ("points.0.seconds", -1, "points 0: seconds = -1: must be finite and not negative"),
        ("points.0.sizes", {"rows": 1}, "points 0: sizes = {rows: 1}: rows, outputs, inputs are expected"),
        ("points.0.sizes.rows", 0, "points 0: sizes.rows = 0: must be above 0"),
        ("points.0.sizes.rows", "many", "points 0: sizes.rows = 'many': must be a number"),
        ("idle.driver", 5, "idle: driver = 5: must be text"),
        ("serving", 5, "serving = 5: must be a list"),
        ("serving.0.load", 1.5, "serving 0: load = 1.5: must be at most 1"),
        ("serving.0.rate_rps", 0, "serving 0: rate_rps = 0.0: must be above 0"),
        ("serving.0.places", 2.5, "serving 0: places = 2.5: must be a whole number"),
        ("serving.0.ttft_s", {"50": 1}, "serving 0: ttft_s = {50: 1.0}: 50, 90, 95, 99 are expected"),
        ("serving.0.ttft_s.95", 0, "serving 0: ttft_s.95 = 0.0: must be above 0"),
        ("serving.0.ttft_s.95", "long", "serving 0: ttft_s.95 = 'long': must be a number"),
        ("serving.0.decode_step_s", -1, "serving 0: decode_step_s = -1: must be finite and not negative"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_with_its_fault(
    tmp_path: Path, where: str, value: object, message: str
) -> None:
    content = json.loads(calibration_json(replace(made(Planted()), serving=(served_load(),)), {}))
    change(content, where, value)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_calibration(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "\x00", ""])
def test_what_is_no_json_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"odd\.json"):
        read_calibration(path)


def test_the_driver_s_words_become_figures_and_what_it_does_not_tell_none() -> None:
    told = "580.95.05, 1980, 1980, 2619, 700.00, 68.35, 31\n"
    assert state_of(told) == GpuState(
        driver="580.95.05",
        sm_clock_mhz=1980.0,
        sm_clock_max_mhz=1980.0,
        memory_clock_mhz=2619.0,
        power_limit_w=700.0,
        power_draw_w=68.35,
        temperature_c=31.0,
    )
    silent = "470.82.01, 1590, [N/A], 5000, [Not Supported], [Unknown Error], 40\n"
    assert state_of(silent) == GpuState(
        driver="470.82.01", sm_clock_mhz=1590.0, memory_clock_mhz=5000.0, temperature_c=40.0
    )


@pytest.mark.parametrize(
    "output",
    ["", "580.95.05, 1980\n", "No devices were found\n", "1, 1, 1, 1, 1, 1, 1\n2, 2, 2, 2, 2, 2, 2\n"],
)
def test_a_state_that_cannot_be_told_for_one_gpu_is_none(output: str) -> None:
    assert state_of(output) == GpuState()


def test_without_nvidia_smi_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_state("GPU-1") == GpuState()


def test_the_programme_is_asked_about_that_gpu_and_its_failure_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "--id GPU-1" ] && echo "580, 1, 2, 3, 4, 5, 6" || exit 6\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_state("GPU-1").driver == "580"
    assert gpu_state("GPU-2") == GpuState()


MINE = """\
# my own fit, agreed in March
engines:
  vllm: {step_factor: 1.2}  # ours

gpus:
  # the old card
  H100:
    compute: 0.1
  L4: {compute: 0.3, bandwidth: 0.4, measured_on: '2026-01-01', driver: '1', basis: x}
# what follows stays
physics: {saturation_rows: 40}
"""


@pytest.mark.parametrize("before", ["", MINE, "# mine\nphysics:\n  saturation_rows: 40", "gpus:\n"])
def test_the_entry_is_put_in_and_all_else_stays(tmp_path: Path, before: str) -> None:
    path = tmp_path / "mine" / "performance.yaml"
    if before:
        path.parent.mkdir()
        path.write_text(before, encoding="utf-8")
    write_own_shares(OWN, path)
    written = path.read_text(encoding="utf-8")
    was, now = yaml.safe_load(before) or {}, yaml.safe_load(written)
    assert now.pop("gpus") == (was.pop("gpus", None) or {}) | {
        "H100": {"compute": 0.5, "bandwidth": 0.7, "measured_on": "2026-11-20", "driver": "580.95",
                 "basis": "kernels: so"}
    }  # fmt: skip
    assert now == was
    for comment in ("# my own fit, agreed in March", "# ours", "# what follows stays", "# mine"):
        assert (comment in written) == (comment in before)
    write_own_shares(OWN, path)
    assert path.read_text(encoding="utf-8") == written


@pytest.mark.parametrize(
    "before", ["{physics: {}, gpus: {}}\n", '"gpus":\n  L4: {}\n', "gpus: [1]\n", "a: [\n"]
)
def test_a_file_that_cannot_be_told_apart_is_left_alone(tmp_path: Path, before: str) -> None:
    path = tmp_path / "performance.yaml"
    path.write_text(before, encoding="utf-8")
    with pytest.raises(UsageError, match=r"performance\.yaml"):
        write_own_shares(OWN, path)
    assert path.read_text(encoding="utf-8") == before


def test_sizes_are_those_of_the_models_and_of_what_the_gpu_multiplies() -> None:
    config = load_config()
    h100, t4 = (sizes_for(config.gpus[name], config.models, quick=False) for name in ("H100", "T4"))
    assert h100.precisions == ("bf16", "fp8", "int8")
    assert t4.precisions == ("fp16", "int8")
    llama = config.models["llama-3.1-8b"]
    layer = sum(outputs * inputs for outputs, inputs in layer_products(llama).values())
    # All weights but the norms: 32 layers, the embedding and the head.
    weights = 32 * layer + 2 * 128256 * 4096
    assert weights == pytest.approx(parameter_count(llama), rel=1e-4)
    for quick in (True, False):
        sizes = sizes_for(config.gpus["H100"], config.models, quick=quick)
        assert set(sizes.step_batches) <= set(sizes.rows)
        assert set(sizes.step_batches) <= set(sizes.batches)
        assert sizes.step_context in sizes.contexts
        assert sizes.step_model in sizes.models
        # Enough of each for a figure.
        assert len(sizes.read_bytes) >= FEWEST_POINTS
        assert len([tokens for tokens in sizes.prompts if tokens >= SHORTEST_PROMPT]) >= FEWEST_POINTS
        assert min(sizes.rows) <= FEW_ROWS
        assert max(sizes.rows) >= MANY_ROWS
        assert len(sizes.depths) > 1
