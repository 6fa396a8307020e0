"""Grids are compared by one method alone."""

from __future__ import annotations

from carbon_values import H100_CURVE

from optimiser.carbon.grids import Carbon, Grid, footing
from optimiser.config import config_directories
from optimiser.config.carbon import load_carbon

STATE, COUNTRY = "US state total output, direct", "country average, lifecycle"


def figure(provider: str, region: str, method: str) -> Grid:
    return Grid(
        provider=provider, region=region, gco2_per_kwh=100.0, method=method, year=2023, source="by hand"
    )


def known(**methods: tuple[str, ...]) -> Carbon:
    grids = {
        ("aws", region): {method: figure("aws", region, method) for method in named}
        for region, named in methods.items()
    }
    return Carbon(power=H100_CURVE, grids=grids)


def test_the_method_of_all_places_stands_before_a_closer_one_of_some() -> None:
    carbon = load_carbon(config_directories()[:1])
    assert footing(carbon, [("aws", "us-east-1"), ("aws", "eu-north-1")]) == COUNTRY


def test_where_all_places_have_both_the_closer_one_stands() -> None:
    carbon = load_carbon(config_directories()[:1])
    assert footing(carbon, [("aws", "us-east-1"), ("gcp", "us-west1")]) == STATE


def test_a_meter_of_ones_own_is_the_closest_where_it_tells_of_all_places() -> None:
    carbon = known(a=("mine", "all"), b=("all",), c=("all",))
    assert footing(carbon, [("aws", "a")]) == "mine"
    assert footing(carbon, [("aws", "a"), ("aws", "b")]) == "all"


def test_places_without_any_figure_have_no_say() -> None:
    assert footing(known(a=("one",)), [("aws", "a"), ("aws", "z"), ("aws", "y")]) == "one"
    assert footing(known(), [("aws", "z")]) is None
