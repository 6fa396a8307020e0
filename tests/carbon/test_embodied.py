"""What making machines emitted, by hand and where nothing is known."""

from __future__ import annotations

import pytest

from optimiser.carbon.embodied import Embodied, Span, kg_per_hour
from optimiser.config import config_directories, load_config
from optimiser.config.carbon import load_carbon

KNOWN = Embodied(
    gpus={"H100": Span(low=273, high=575.1)},
    server_kg_per_gpu=Span(low=125, high=712.5),
    life_years=Span(low=3, high=6),
    hours_used_share=Span(low=0.5, high=1.0),
)


def test_an_hour_of_eight_gpus_by_hand() -> None:
    low, high = kg_per_hour(KNOWN, "H100", 8) or (0.0, 0.0)
    # 8 × 398 kg over 6 years of 8,760 h; 8 × 1,287.6 kg over half of 3 years.
    assert low == pytest.approx(3184 / 52_560)
    assert high == pytest.approx(10_300.8 / 13_140)


def test_a_gpu_without_a_figure_has_none_and_not_nothing() -> None:
    assert kg_per_hour(KNOWN, "T4", 1) is None


def test_shipped_figures_are_ranges_of_gpus_that_exist() -> None:
    shipped, gpus = load_carbon(config_directories()[:1]).embodied, load_config().gpus
    assert shipped.gpus.keys() <= gpus.keys()
    assert all(0 < span.low <= span.high and span.source for span in shipped.gpus.values())
    # Boavizta's H100 against EcoLogits' one: 2.1 times, the least that published figures differ.
    assert shipped.gpus["H100"].high / shipped.gpus["H100"].low == pytest.approx(2.107, abs=0.001)
    # What nobody has published is missing.
    assert gpus.keys() - shipped.gpus.keys() == {"GB200", "T4G", "V100-PCIe"}
