"""Factors from timings: what made the points is found again, and what they do not tell is not made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_calibrations import Planted, made

from optimiser.calibration.fitting import kernel_figures
from optimiser.calibration.points import Calibration
from optimiser.config import load_config

CONFIG = load_config()
H100, LLAMA = CONFIG.gpus["H100"], CONFIG.models["llama-3.1-8b"]


def values(calibration: Calibration) -> dict[str, float]:
    return {name: found.value for name, found in kernel_figures(calibration, H100, LLAMA).items()}


def test_planted_factors_are_found_again() -> None:
    found = values(made(Planted(grouped={"uniform": 0.8, "zipf": 0.5})))
    assert found == {
        "compute_bf16": pytest.approx(0.75, rel=0.02),
        "bandwidth_read": pytest.approx(0.92, rel=0.02),
        "bandwidth_kv_cache": pytest.approx(0.8, rel=0.02),
        "saturation_rows": pytest.approx(50.0, rel=0.1),
        "bandwidth_weights": pytest.approx(0.85, rel=0.02),
        "prompt_attention": pytest.approx(0.6, rel=0.03),
        "grouped_uniform": pytest.approx(0.8, rel=0.05),
        "grouped_zipf": pytest.approx(0.5, rel=0.05),
        "layer_overhead_us": pytest.approx(12.0, rel=1e-6),
        "step_overhead_us": pytest.approx(40.0, rel=1e-6),
    }


@settings(max_examples=15)
@given(
    compute=st.floats(0.3, 0.95),
    rows=st.floats(10, 300),
    weights=st.floats(0.5, 0.95),
    fixed=st.floats(1, 10),
)
def test_whatever_is_planted_is_found(compute: float, rows: float, weights: float, fixed: float) -> None:
    found = values(made(Planted(compute=compute, saturation_rows=rows, weights=weights, fixed_us=fixed)))
    assert found["compute_bf16"] == pytest.approx(compute, rel=0.05)
    assert found["saturation_rows"] == pytest.approx(rows, rel=0.25)
    assert found["bandwidth_weights"] == pytest.approx(weights, rel=0.05)


def test_noise_and_a_wild_point_move_factors_little() -> None:
    calibration = made(Planted())
    noise = np.random.default_rng(1).normal(0.0, 0.03, len(calibration.points))
    points = [
        replace(point, seconds=point.seconds * float(np.exp(off)))
        for point, off in zip(calibration.points, noise, strict=True)
    ]
    points[3] = replace(points[3], seconds=points[3].seconds * 20)
    found = values(replace(calibration, points=tuple(points)))
    assert found["compute_bf16"] == pytest.approx(0.75, rel=0.06)
    assert found["bandwidth_weights"] == pytest.approx(0.85, rel=0.08)


def test_an_interrupted_calibration_tells_what_its_points_tell_and_no_more() -> None:
    whole = made(Planted())
    assert values(replace(whole, points=())) == {}
    reads = replace(whole, points=whole.of("read"))
    assert values(reads) == {"bandwidth_read": pytest.approx(0.92, rel=0.02)}
    few_rows = [point for point in whole.of("products") if point.sizes["rows"] <= 64]
    assert values(replace(whole, points=tuple(few_rows))) == {}
    one_depth = [point for point in whole.points if point.sizes.get("layers", 1) == 1]
    assert "layer_overhead_us" not in values(replace(whole, points=tuple(one_depth)))


def test_a_layer_whose_kernels_were_not_all_measured_tells_no_overhead() -> None:
    whole = made(Planted())
    without = [point for point in whole.points if point.case != "llama-3.1-8b down"]
    found = values(replace(whole, points=tuple(without)))
    assert "layer_overhead_us" not in found
    assert found["step_overhead_us"] == pytest.approx(40.0, rel=1e-6)


def test_experts_one_by_one_say_nothing_of_a_kernel_for_all() -> None:
    whole = made(Planted(grouped={"uniform": 0.8}))
    loops = [replace(point, case=point.case.replace("grouped_mm", "loop")) for point in whole.points]
    assert "grouped_uniform" not in values(replace(whole, points=tuple(loops)))


def test_a_format_without_a_peak_on_the_data_sheet_has_no_share() -> None:
    whole = made(Planted())
    strange = tuple(replace(point, precision="fp4") for point in whole.of("products"))
    found = values(replace(whole, points=whole.points + strange))
    assert "compute_bf16" in found
    assert "compute_fp4" not in found
