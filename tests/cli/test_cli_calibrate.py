"""`calibrate` without torch, and on calibrations that were made before."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimiser.config import load_config

FIXTURE = Path(__file__).parent / "fixtures" / "calibration_h100.json"
Run = Callable[..., Any]
Fails = Callable[..., str]


def test_without_torch_one_line_says_what_to_install(fails: Fails, tmp_path: Path) -> None:
    assert importlib.util.find_spec("torch") is None, (
        "torch belongs into .venv-extras alone (make test-extras)"
    )
    output = tmp_path / "here.json"
    message = fails(2, "calibrate", "--output", str(output))
    assert message == "calibrate needs torch: pip install 'cloud-pricing-optimiser[calibrate]'"
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gpu", "H101"), "--gpu: name = 'H101': not in gpus.yaml; did you mean H100?"),
        (("--from", "nowhere.json"), "nowhere.json: cannot be read: No such file or directory"),
        (("--reference", "nowhere.json"), "nowhere.json: cannot be read: No such file or directory"),
        (("--from", str(FIXTURE), "--quick"), "--quick: has no meaning with --from, which measures nothing"),
        (("--from", str(FIXTURE), "--gpu", "H100"), "--gpu: has no meaning with --from"),
        (("--from", str(FIXTURE), "--output", "x"), "--output: has no meaning with --from"),
    ],
)
def test_what_cannot_be_is_refused_with_its_option(
    fails: Fails, options: tuple[str, ...], message: str
) -> None:
    assert message in fails(2, "calibrate", *options)


def test_a_calibration_shows_kernels_beside_what_estimates_use(run: Run) -> None:
    ran = run("calibrate", "--from", str(FIXTURE))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("H100 on 2026-11-20: 13 points measured, 1 size left out\n")
    rows = {line[:32].strip(): line[32:].split() for line in ran.out.splitlines()}
    # Ten products of a made GPU that reaches 40 % of 989 TFLOPS.
    shares = load_config().fit.generations["Hopper"]
    hopper = shares.compute
    kernels, shipped, ratio, *_ = rows["compute, bf16 products"]
    assert float(kernels) == pytest.approx(0.4, abs=0.005)
    assert shipped == f"{hopper:.3f}"
    assert float(ratio) == pytest.approx(hopper / 0.4 * 100, rel=0.0125)
    assert f"{hopper:.1%} of compute, {shares.bandwidth:.1%} of bandwidth" in ran.out
    assert "driver 580.95.05, torch 2.13.0, CUDA 13.0" in ran.out
    assert "SM 1,305 MHz" in ran.out
    assert "not told: SM at most" in ran.out
    assert "products, int8: 1 size (such as: needs more rows)" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


def test_own_shares_are_written_only_where_asked_and_then_used(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert run("calibrate", "--from", str(FIXTURE)).code == 0
    assert not mine.exists()
    ran = run("calibrate", "--from", str(FIXTURE), "--write", str(mine))
    assert (ran.code, ran.err) == (0, f"wrote {mine / 'performance.yaml'}\n")
    own = load_config(mine).fit.gpus["H100"]
    assert own.compute == pytest.approx(0.4, abs=0.005)
    assert own.bandwidth == load_config().fit.generations["Hopper"].bandwidth
    why = run("estimate", "code-llama-8b", "--why", "p5.48xlarge", "--embedded", "--config", str(mine))
    assert why.code == 0
    assert "calibrated on H100, 2026-11-20, driver 580.95.05" in " ".join(why.out.split())


def test_a_reference_of_its_own_scales_nothing(run: Run, tmp_path: Path) -> None:
    options = ("--from", str(FIXTURE), "--reference", str(FIXTURE), "--write", str(tmp_path))
    assert run("calibrate", *options).code == 0
    hopper = load_config().fit.generations["Hopper"]
    own = load_config(tmp_path).fit.gpus["H100"]
    # As much as the reference would be 64.5 %, but these kernels reach 40 %.
    assert own.compute == pytest.approx(0.4, abs=0.005)
    assert own.bandwidth == hopper.bandwidth


def test_too_little_for_shares_writes_nothing(fails: Fails, run: Run, tmp_path: Path) -> None:
    content = json.loads(FIXTURE.read_text(encoding="utf-8"))
    little = tmp_path / "little.json"
    little.write_text(json.dumps({**content, "points": content["points"][:2]}), encoding="utf-8")
    shown = run("calibrate", "--from", str(little))
    assert "Too little was measured for shares of its own" in shown.out
    ran = run("calibrate", "--from", str(little), "--write", str(tmp_path / "mine"))
    assert ran.code == 2
    assert "--write: too little was measured" in ran.err
    assert not (tmp_path / "mine").exists()
    little.write_text(json.dumps({**content, "points": []}), encoding="utf-8")
    assert fails(1, "calibrate", "--from", str(little)) == "nothing was measured: needs more rows"


def test_a_gpu_that_the_configuration_lacks_is_named(fails: Fails, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    content = json.loads(FIXTURE.read_text(encoding="utf-8"))
    other.write_text(json.dumps({**content, "gpu": "H20"}), encoding="utf-8")
    assert "gpu: name = 'H20': not in gpus.yaml" in fails(2, "calibrate", "--from", str(other))


@pytest.mark.parametrize("option", ["--from", "--reference"])
def test_a_device_that_is_another_gpu_is_refused(fails: Fails, tmp_path: Path, option: str) -> None:
    message = fails(2, "calibrate", *both(option, changed(tmp_path, gpu="A100-80GB")))
    assert "changed.json: device = 'NVIDIA H100 80GB HBM3': is H100, but gpu is A100-80GB" in message


def test_a_device_that_no_name_is_known_of_may_be_any_gpu(run: Run, tmp_path: Path) -> None:
    """As --gpu says of a driver's name that is not known."""
    assert run("calibrate", "--from", changed(tmp_path, device="NVIDIA Graphics Device")).code == 0


@pytest.mark.parametrize("option", ["--from", "--reference"])
@pytest.mark.parametrize(
    ("point", "said"),
    [
        # 268,435,456 bytes in 93.033 ns, and a thousand times as many in 93.033 µs.
        (
            {"seconds": 9.3033e-08},
            f"seconds = 9.3033e-08: read at {268435456 / 93.033:,.0f} GB/s, where H100 has 3,350 at most",
        ),
        (
            {"bytes_moved": 2.68435456e11},
            f"seconds = 9.3033e-05: read at {268435456 / 93.033:,.0f} GB/s, where H100 has 3,350",
        ),
        (
            {"section": "prefill_attention", "precision": "bf16", "sizes": {"tokens": 8192, "group": 4}}
            | {"bytes_moved": 0.0, "flops": 1.0e12, "seconds": 0.0009},
            "seconds = 0.0009: prefill_attention at 1,111 TFLOPS, where H100 has 989 at most (dense_tflops.bf16",
        ),
    ],
)
def test_points_beyond_the_data_sheet_are_refused(
    fails: Fails, tmp_path: Path, option: str, point: dict[str, Any], said: str
) -> None:
    assert f"changed.json: points 0: {said}" in fails(2, "calibrate", *both(option, changed(tmp_path, point)))


@pytest.mark.parametrize(
    "point",
    [
        # 3,350 GB/s × 1.05 and 989 TFLOPS × 1.05: clocks boost. 1 MB stays in a cache.
        {"seconds": 268435456 / 3350e9 / 1.05},
        {"precision": "bf16", "flops": 1e12, "bytes_moved": 0.0, "seconds": 1 / 989 / 1.05},
        {"bytes_moved": 1e6, "seconds": 1e-7},
    ],
)
def test_points_within_a_tenth_of_the_data_sheet_are_taken(
    run: Run, tmp_path: Path, point: dict[str, Any]
) -> None:
    assert run("calibrate", "--from", changed(tmp_path, point)).code == 0


def both(option: str, path: str) -> tuple[str, ...]:
    return ("--from", path) if option == "--from" else ("--from", str(FIXTURE), "--reference", path)


def changed(directory: Path, point: dict[str, Any] | None = None, **fields: str) -> str:
    """The fixture with other fields, and others in its first point, the reading of 256 MiB."""
    content = json.loads(FIXTURE.read_text(encoding="utf-8")) | fields
    content["points"][0] |= point or {}
    path = directory / "changed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)
