"""What a generation that was not measured is taken for: as large a part of what matrix products reach as others."""

from __future__ import annotations

import pytest

from optimiser.accuracy.fit import EXPECTED, EXPECTED_REACH, Solution
from optimiser.accuracy.matrix_shares import MATRIX_SHARES, serving_share
from optimiser.config import load_config

GENERATIONS = load_config().fit.generations


def solution(**generations: tuple[float, float]) -> Solution:
    named = {name.replace("_", " "): reach for name, reach in generations.items()}
    return Solution(physics=EXPECTED, generations=named, step_factors={})


def of(generation: str, part: float) -> float:
    return part * MATRIX_SHARES[generation].share


def test_serving_reaches_the_geometric_mean_of_the_parts_that_are_known() -> None:
    """0.9 and 0.4 of two make 0.6; a stand-in's and an unknown generation's say nothing."""
    compute = {"Ampere": of("Ampere", 0.9), "CDNA3": of("CDNA3", 0.4), "Hopper PCIe": 0.01, "Rubin": 0.01}
    assert serving_share(compute) == pytest.approx(0.6)
    assert serving_share({"Hopper PCIe": 0.4, "Rubin": 0.5}) is None


def test_a_generation_left_out_has_its_own_matrix_share_and_the_usual_bandwidth() -> None:
    found = solution(
        Ampere=(of("Ampere", 0.8), 0.9), Hopper=(of("Hopper", 0.8), 0.4), CDNA3=(of("CDNA3", 0.8), 0.1)
    )
    # CDNA3 guides compute and not bandwidth.
    assert found.reach("Turing") == pytest.approx((0.8 * 0.49, 0.6))
    assert found.reach("Hopper PCIe") == pytest.approx((0.8 * 0.656, 0.6))
    assert found.reach("Ampere") == found.generations["Ampere"]


def test_what_was_measured_of_a_generation_is_no_guide_to_itself() -> None:
    """As for one of so few figures that they are not trusted."""
    found = solution(Ampere=(of("Ampere", 0.8), 0.9), Ada=(of("Ada", 0.1), 0.9))
    assert found.unmeasured("Ada")[0] == pytest.approx(of("Ada", 0.8))


def test_a_generation_without_a_published_share_is_as_the_others() -> None:
    found = solution(Ampere=(0.9, 0.9), Hopper=(0.4, 0.4), CDNA3=(0.1, 0.1))
    assert found.reach("Rubin") == pytest.approx((0.6, 0.6))
    assert solution(CDNA3=(0.1, 0.1)).reach("Rubin") == EXPECTED_REACH


def test_the_shipped_generations_without_measurements_follow_from_those_with() -> None:
    part = serving_share({name: one.compute for name, one in GENERATIONS.items() if one.fitted})
    guessed = {name: one for name, one in GENERATIONS.items() if not one.fitted}
    assert part is not None
    assert guessed.keys() == {"Volta", "Turing"}
    for name, one in guessed.items():
        assert one.compute == pytest.approx(of(name, part), rel=0.01)
        assert MATRIX_SHARES[name].source in one.source


def test_the_parts_are_as_near_to_each_other_as_is_said() -> None:
    assert MATRIX_SHARES.keys() == GENERATIONS.keys()
    parts = {
        name: one.compute / MATRIX_SHARES[name].share
        for name, one in GENERATIONS.items()
        if one.fitted and not MATRIX_SHARES[name].stands_in
    }
    assert len(parts) == 6
    assert min(parts.values()) >= 0.745
    assert max(parts.values()) <= 0.925
    assert all(0 < one.share < 1 for one in MATRIX_SHARES.values())
