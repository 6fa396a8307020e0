"""What follows for estimates: no share above what kernels reach, none scaled over generations, none in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_calibrations import Planted, made

from optimiser.calibration.compare import compared
from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.performance.specs import Calibrated

CONFIG = load_config()
HOPPER = CONFIG.fit.generations["Hopper"]


def own(planted: Planted, reference: Planted | None = None, gpu: str = "H100") -> Calibrated:
    there = None if reference is None else made(reference)
    found = compared(made(planted, gpu), CONFIG, there).own
    assert found is not None
    return found


def test_kernels_above_the_shipped_shares_change_nothing_and_say_so() -> None:
    found = own(Planted(compute=0.75, read=0.92))
    assert (found.compute, found.bandwidth) == (HOPPER.compute, HOPPER.bandwidth)
    assert found.basis.endswith("so its generation's shares stand")
    assert (found.measured_on, found.driver) == ("2026-11-20", "580.95.05")


def test_no_share_is_above_what_kernels_reach() -> None:
    slow = own(Planted(compute=0.4, read=0.92))
    assert (slow.compute, slow.bandwidth) == (pytest.approx(0.4, rel=0.02), HOPPER.bandwidth)
    narrow = own(Planted(compute=0.75, read=0.6))
    assert (narrow.compute, narrow.bandwidth) == (HOPPER.compute, pytest.approx(0.6, rel=0.02))
    assert "which no engine exceeds" in narrow.basis


def test_shares_scale_with_the_kernels_of_a_reference() -> None:
    """Half the compute and 3/4 of the bandwidth of the reference."""
    found = own(Planted(compute=0.4, read=0.69), Planted(compute=0.8, read=0.92))
    assert found.compute == pytest.approx(HOPPER.compute / 2, rel=0.02)
    assert found.bandwidth == pytest.approx(HOPPER.bandwidth * 0.75, rel=0.02)
    assert "of those on H100 of 2026-11-20" in found.basis
    same = own(Planted(), Planted())
    assert (same.compute, same.bandwidth) == (HOPPER.compute, HOPPER.bandwidth)
    # Better kernels than the reference's lift the shares, up to those kernels.
    better = own(Planted(compute=0.9, read=0.85), Planted(compute=0.5, read=0.8))
    assert better.compute == pytest.approx(0.9, rel=0.02)
    assert better.bandwidth == pytest.approx(0.85, rel=0.02)


@pytest.mark.parametrize(
    ("gpu", "reference", "message"),
    [
        ("L4", "H100", "is of H100 (Hopper)"),
        ("T4", "T4G", "is of T4G (Turing)"),
        ("L40S", "L4", "is of L4 (Ada)"),
        ("H100", "H1000", "--reference: gpu: name = 'H1000': not in gpus.yaml; did you mean H100 or"),
    ],
)
def test_a_reference_is_of_the_generation_and_its_serving_was_measured(
    gpu: str, reference: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compared(made(Planted(), gpu), CONFIG, made(Planted(), reference))
    assert message in str(caught.value)


def test_a_reference_with_too_few_points_is_refused() -> None:
    little = replace(made(Planted()), points=made(Planted()).of("read"))
    with pytest.raises(UsageError, match="too few products or readings"):
        compared(made(Planted()), CONFIG, little)
    assert compared(little, CONFIG).own is None


def test_shipped_stays_what_ships_though_the_gpu_was_calibrated_before() -> None:
    before = Calibrated(
        gpu="H100", compute=0.2, bandwidth=0.2, measured_on="2026-01-01", driver="1", basis="an old one"
    )
    mine = replace(CONFIG, fit=replace(CONFIG.fit, gpus={"H100": before}))
    calibration = made(Planted())
    assert compared(calibration, mine) == compared(calibration, CONFIG)


def test_every_figure_stands_beside_the_one_that_estimates_use() -> None:
    comparison = compared(made(Planted(grouped={"uniform": 0.8, "zipf": 0.5})), CONFIG)
    physics = CONFIG.fit.physics
    assert {figure.name: figure.shipped for figure in comparison.figures} == {
        "compute_bf16": HOPPER.compute,
        "bandwidth_read": HOPPER.bandwidth,
        "bandwidth_weights": HOPPER.bandwidth,
        "bandwidth_kv_cache": HOPPER.bandwidth,
        "saturation_rows": physics.saturation_rows + physics.fill_rows,
        "prompt_attention": 0.8,
        "grouped_uniform": physics.grouped_share,
        "grouped_zipf": physics.grouped_share,
        "layer_overhead_us": physics.layer_overhead_us,
        "step_overhead_us": 100.0,
    }


def test_plain_steps_twice_as_long_are_twice_the_share_of_what_estimates_say() -> None:
    calibration = made(Planted())
    slower = [
        replace(point, seconds=point.seconds * (2 if point.section == "steps" else 1))
        for point in calibration.points
    ]
    once = compared(calibration, CONFIG).steps["decode"]
    twice = compared(replace(calibration, points=tuple(slower)), CONFIG).steps["decode"]
    assert once.points == twice.points == 9
    assert twice.value == pytest.approx(2 * once.value)
    # Kernels that reach more than the shipped shares, and fewer µs a layer: faster than an engine.
    assert 0.5 < once.value < 1.0
    slow = Planted(compute=0.3, weights=0.3, cache=0.3, layer_us=100.0)
    assert compared(made(slow), CONFIG).steps["decode"].value > 1.5
