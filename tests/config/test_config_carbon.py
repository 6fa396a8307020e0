"""carbon.yaml and carbon_intensity.csv: what is shipped, how layers combine, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimiser.config import config_directories, load_config
from optimiser.config.carbon import load_carbon
from optimiser.errors import UsageError
from optimiser.prices.book import load_book

EMBEDDED = config_directories()[:1]
HEAD = "provider,region,gco2_per_kwh,method,year,source\n"
ROW = "aws,eu-north-1,8,own meter,2026,my bill\n"
STATE, LIFECYCLE = "US state total output, direct", "country average, lifecycle"


def test_every_region_and_provider_with_prices_has_its_figure() -> None:
    carbon, config = load_carbon(EMBEDDED), load_config()
    offers = load_book(config.price_files, config.shapes, date(2026, 11, 21)).offers
    plain = offers[offers["region_kind"] == "region"]
    kinds = set(zip(plain["provider"], plain["region"], strict=True))
    assert kinds
    assert kinds <= carbon.grids.keys()
    assert {provider for provider, _ in kinds} == carbon.pue.keys()
    licences = {grid.licence for figures in carbon.grids.values() for grid in figures.values()}
    assert licences == {"public domain", "CC BY 4.0"}
    # One method tells of every place, so that any two can be compared.
    assert all(LIFECYCLE in carbon.grids[place] for place in kinds)


def test_one_grid_has_one_figure_whoever_builds_there() -> None:
    grids = load_carbon(EMBEDDED).grids
    # Oregon by eGRID2023, 365 lb/MWh; Sweden by Ember.
    assert (
        grids["aws", "us-west-2"][STATE].gco2_per_kwh
        == grids["gcp", "us-west1"][STATE].gco2_per_kwh
        == 165.54
    )
    sweden = [
        grids[place][LIFECYCLE].gco2_per_kwh for place in (("aws", "eu-north-1"), ("azure", "swedencentral"))
    ]
    assert sweden == [40.7, 40.7]
    # The United States as a whole, by the same source as every other country.
    usa = {figures[LIFECYCLE].gco2_per_kwh for figures in grids.values() if STATE in figures}
    assert usa == {369.47}


def written(tmp_path: Path, name: str, text: str) -> tuple[Path, ...]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return (*EMBEDDED, tmp_path)


def test_a_layer_replaces_its_own_rows_and_fields(tmp_path: Path) -> None:
    written(tmp_path, "carbon_intensity.csv", HEAD + ROW)
    layers = written(tmp_path, "carbon.yaml", "power: {gpu_tdp_share: 0.5}")
    carbon, shipped = load_carbon(layers), load_carbon(EMBEDDED)
    assert {name: one.gco2_per_kwh for name, one in carbon.grids["aws", "eu-north-1"].items()} == {
        LIFECYCLE: 40.7,
        "own meter": 8,
    }
    assert len(carbon.grids) == len(shipped.grids)
    assert (carbon.power.gpu_tdp_share, carbon.power.host_w_per_gib) == (0.5, shipped.power.host_w_per_gib)
    assert carbon.pue == shipped.pue
    assert carbon.embodied == shipped.embodied


def test_a_layer_adds_a_gpu_to_what_making_them_emitted(tmp_path: Path) -> None:
    layers = written(tmp_path, "carbon.yaml", "embodied: {gpus: {GB200: {low: 1, high: 2, source: mine}}}")
    carbon, shipped = load_carbon(layers), load_carbon(EMBEDDED)
    assert carbon.embodied.gpus.keys() - shipped.embodied.gpus.keys() == {"GB200"}
    assert carbon.embodied.life_years == shipped.embodied.life_years


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("carbon_intensity.csv", "provider,region\n", "the column gco2_per_kwh is missing"),
        (
            "carbon_intensity.csv",
            HEAD + ROW.replace("8", "x"),
            "line 2: gco2_per_kwh = 'x': a number from 0 to 2000",
        ),
        (
            "carbon_intensity.csv",
            HEAD + ROW.replace(",8,", ",nan,"),
            "line 2: gco2_per_kwh = 'nan': a number",
        ),
        (
            "carbon_intensity.csv",
            HEAD + ROW.replace("own meter", ""),
            "line 2: method = '': must not be empty",
        ),
        ("carbon_intensity.csv", HEAD + ROW.replace("2026", "26"), "line 2: year = '26': a number from 1990"),
        ("carbon.yaml", "powr: {}", "unknown field 'powr': did you mean power?"),
        ("carbon.yaml", "pue: {aws: {pue: 0.9, year: 2025, source: x}}", "aws: pue = 0.9: from 1 to 3"),
        ("carbon.yaml", "power: {gpu_tdp_share: much}", "gpu_tdp_share"),
        ("carbon.yaml", "power: {gpu_tdp_share: 1.1}", "power: gpu_tdp_share = 1.1: from 0 to 1"),
        (
            "carbon.yaml",
            "power: {one_request_tdp_share: 0.9}",
            "one_request_tdp_share = 0.9: at most many_requests_tdp_share, 0.8571",
        ),
        ("carbon.yaml", "embodied: {gpu: {}}", "unknown field 'gpu': did you mean gpus?"),
        (
            "carbon.yaml",
            "embodied: {gpus: {H100: {low: 600, high: 500}}}",
            "embodied: gpus.H100.low = 600.0: at most high, 500",
        ),
        ("carbon.yaml", "embodied: {life_years: {low: 0, high: 6}}", "life_years.low = 0: above 0"),
        (
            "carbon.yaml",
            "embodied: {hours_used_share: {low: 0.5, high: 2}}",
            "hours_used_share.high = 2.0: from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_is_named_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_carbon(written(tmp_path, name, text))
    assert said in str(caught.value)
    assert name in str(caught.value)
