"""carbon.yaml and carbon_intensity.csv: what instances draw, and what their grids emit."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from optimiser.config.entries import mapping_of, only_known, parse_entry
from optimiser.errors import UsageError, bad_value
from optimiser.files import read_yaml
from optimiser.planning.carbon import Carbon, Grid, Power, Pue

CARBON_FILE, GRIDS_FILE = "carbon.yaml", "carbon_intensity.csv"
_SECTIONS = ("power", "pue")
_COLUMNS = ("provider", "region", "gco2_per_kwh", "method", "year", "source", "licence")


def load_carbon(directories: Sequence[Path]) -> Carbon:
    """What the config directories say, lowest layer first: a higher one's field, provider or region replaces a lower's.

    Raises UsageError, naming file, entry and field, for anything malformed.
    """
    power: dict[str, object] = {}
    pue: dict[str, Pue] = {}
    grids: dict[tuple[str, str], Grid] = {}
    for path in (layer / CARBON_FILE for layer in directories if (layer / CARBON_FILE).is_file()):
        content = mapping_of(read_yaml(path), str(path), "the file")
        only_known(content, _SECTIONS, str(path))
        power |= mapping_of(content.get("power"), str(path), "power")
        for name, entry in mapping_of(content.get("pue"), str(path), "pue").items():
            pue[name] = parse_entry(Pue, entry, f"{path}: {name}", provider=name)
            if not 1 <= pue[name].pue <= 3:
                raise bad_value(f"{path}: {name}", "pue", pue[name].pue, "from 1 to 3")
    for path in (layer / GRIDS_FILE for layer in directories if (layer / GRIDS_FILE).is_file()):
        grids |= _grids(path)
    return Carbon(power=parse_entry(Power, power, f"{CARBON_FILE}: power"), pue=pue, grids=grids)


def _grids(path: Path) -> dict[tuple[str, str], Grid]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in _COLUMNS[:-1] if name not in (reader.fieldnames or ())]:
                raise UsageError(f"{path}: the column {missing[0]} is missing: {', '.join(_COLUMNS)}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    found = [_grid(row, f"{path}: line {line}") for line, row in rows]
    return {(grid.provider, grid.region): grid for grid in found}


def _grid(row: dict[str, str | None], where: str) -> Grid:
    text = {name: (row.get(name) or "").strip() for name in _COLUMNS}
    for name in ("provider", "region", "method", "source"):
        if not text[name]:
            raise bad_value(where, name, text[name], "must not be empty")
    return Grid(
        provider=text["provider"],
        region=text["region"],
        gco2_per_kwh=_number(text["gco2_per_kwh"], where, "gco2_per_kwh", 0, 2000),
        method=text["method"],
        year=int(_number(text["year"], where, "year", 1990, 2100)),
        source=text["source"],
        licence=text["licence"],
    )


def _number(text: str, where: str, name: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise bad_value(where, name, text, f"a number from {least:g} to {most:g}")
    return value
