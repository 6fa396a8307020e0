"""Power against what was measured and published, by hand, and in what it may never do."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from carbon_values import H100_CURVE, draw, shape
from hypothesis import given
from hypothesis import strategies as st

from optimiser.carbon.power import gpu_tdp_share, host_w, kg_co2e, kwh
from optimiser.config import config_directories
from optimiser.config.carbon import load_carbon


def share(in_flight: float, prompts: float = 0.0) -> float:
    return float(gpu_tdp_share(H100_CURVE, np.array([in_flight]), np.array([prompts]))[0])


# arXiv:2602.05116 (GPU-to-Grid), figure of power against batch: H100 SXM under vLLM.
@pytest.mark.parametrize(("batch", "watts"), [(4, 330), (16, 435), (32, 507), (64, 557), (128, 583)])
def test_generating_draws_what_was_published_of_an_h100(batch: int, watts: float) -> None:
    # At four in flight the engine has nothing to do for e^-4 = 1.8 % of the time.
    assert 700 * share(batch) == pytest.approx(watts, rel=0.015)


def test_the_shipped_curve_is_that_one() -> None:
    power = load_carbon(config_directories()[:1]).power
    for name, value in vars(power).items():
        assert value == pytest.approx(getattr(H100_CURVE, name), abs=5e-5), name


def test_a_node_of_eight_h100_near_full_use_draws_what_was_measured() -> None:
    # Latif et al., IEEE Access 2025 (arXiv:2412.08602): at most 8.4 kW. 5,600 W of GPUs, 192 × 2.12 + 2,048 × 0.421 =
    # 1,269.248 W of host, × 1.22.
    node = replace(
        draw(prompts=1.0, planned=1.0),
        gpus_tdp_w=5600.0,
        host_w=host_w(shape("H100", 8, 192, 2048.0), H100_CURVE),
        in_flight=((1.0, 256.0),),
    )
    assert node.watts(1.0) == pytest.approx((5600 + 1269.248) * 1.22)
    assert node.watts(1.0) == pytest.approx(8400, rel=0.01)


def test_a_unit_by_hand_at_its_planned_rate_at_half_of_it_and_without_a_request() -> None:
    unit = draw()
    # Planned at half of its largest rate: 4 in flight, 12.5 % of the time on prompts.
    busy, decode = 1 - exp(-4), (300 + 300 / (1 + exp(2.2))) / 700
    full = (1 - busy) * 0.2 + 0.125 + (busy - 0.125) * decode
    assert unit.requests_in_flight(1.0) == 4.0
    assert unit.gpu_tdp_share(1.0) == pytest.approx(full)
    assert unit.watts(1.0) == pytest.approx((1000 * full + 100) * 1.22)
    # At half of that 2 in flight and 6.25 % on prompts.
    busy, decode = 1 - exp(-2), (300 + 300 / (1 + exp(3.2))) / 700
    half = (1 - busy) * 0.2 + 0.0625 + (busy - 0.0625) * decode
    assert unit.watts(0.5) == pytest.approx((1000 * half + 100) * 1.22)
    # Idle: 200 W of GPUs, 100 W of host: 366 W.
    assert unit.watts(0.0) == pytest.approx(366.0)
    assert unit.watts(np.array([0.0, 1.0])) == pytest.approx([366.0, unit.watts(1.0)])


def test_a_measured_constant_takes_the_place_of_the_curve() -> None:
    unit = draw(replace(H100_CURVE, gpu_tdp_share=0.7))
    assert unit.watts(0.0) == unit.watts(1.0) == pytest.approx((700 + 100) * 1.22)


def test_energy_and_carbon_by_hand() -> None:
    # 2 kW for 730 h in a building of PUE 1.25 are 1,825 kWh; at 400 g/kWh 730 kg.
    assert kwh(2000.0, 730.0, 1.25) == 1825.0
    assert kg_co2e(1825.0, 400.0) == 730.0


@given(
    low=st.floats(0, 1),
    high=st.floats(0, 1),
    prompts=st.floats(0, 1),
    planned=st.floats(0.01, 1),
)
def test_more_load_never_draws_less_and_the_tdp_bounds_it(
    low: float, high: float, prompts: float, planned: float
) -> None:
    low, high = sorted((low, high))
    unit = draw(prompts=prompts, planned=planned)
    less, more = unit.gpu_tdp_share(low), unit.gpu_tdp_share(high)
    assert 0.2 - 1e-12 <= less <= more + 1e-12 <= 1 + 1e-11


@pytest.mark.parametrize(
    ("hours", "watts", "mwh", "tonnes", "grams"),
    [
        # Llama 2, arXiv 2307.09288, table 2: GPU-hours, W, t CO2e; the same 423.5 g/kWh in every row.
        (184_320, 400, 73.7, 31.22, 423.5),
        (368_640, 400, 147.5, 62.44, 423.5),
        (1_720_320, 400, 688.1, 291.42, 423.5),
        # Llama 3.1's model card: 30.84 M hours at 700 W are 21.6 GWh and 8,930 t.
        (30_840_000, 700, 21_588, 8_930, 413.7),
    ],
)
def test_published_energy_and_carbon_of_training_runs(
    hours: float, watts: float, mwh: float, tonnes: float, grams: float
) -> None:
    drawn = kwh(watts, hours, pue=1.0)
    assert drawn / 1000 == pytest.approx(mwh, rel=0.01)
    assert kg_co2e(drawn, grams) / 1000 == pytest.approx(tonnes, rel=0.01)
    assert kwh(watts, hours, pue=1.1) == pytest.approx(1.1 * drawn)


def test_bloom_emitted_24_7_tonnes() -> None:
    # Luccioni et al., arXiv 2211.02001: 433,196 kWh at 57 g.
    assert kg_co2e(433_196, 57) / 1000 == pytest.approx(24.7, rel=0.01)
    assert kwh(400, 1_082_990, pue=1.0) == pytest.approx(433_196, rel=0.01)  # of 1,082,990 A100-hours
