"""carbon.yaml and carbon_intensity.csv: what instances draw, and what their grids emit."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from optimiser.carbon.embodied import Embodied, Span
from optimiser.carbon.grids import Carbon, Grid, Pue
from optimiser.carbon.power import Power
from optimiser.config.entries import mapping_of, parse_entry, sections_of
from optimiser.errors import UsageError, bad_value

CARBON_FILE, GRIDS_FILE = "carbon.yaml", "carbon_intensity.csv"
_SECTIONS = ("power", "pue", "embodied")
_OVER_ONE = ("curve_steepness", "curve_middle_log2", "host_w_per_vcpu", "host_w_per_gib")
_COLUMNS = ("provider", "region", "gco2_per_kwh", "method", "year", "source", "licence")


def load_carbon(directories: Sequence[Path]) -> Carbon:
    """What the config directories say, lowest layer first: a higher one's field, provider, GPU, or region's figure by
    the same method replaces a lower's.

    Raises UsageError, naming file, entry and field, for anything malformed.
    """
    power: dict[str, object] = {}
    pue: dict[str, Pue] = {}
    embodied: dict[str, object] = {}
    made: dict[str, object] = {}
    grids: dict[tuple[str, str], dict[str, Grid]] = {}
    for path in (layer / CARBON_FILE for layer in directories):
        content = sections_of(path, _SECTIONS)
        power |= content.get("power", {})
        given = content.get("embodied", {})
        made |= mapping_of(given.get("gpus"), str(path), "embodied.gpus")
        embodied |= given
        for name, entry in content.get("pue", {}).items():
            pue[name] = parse_entry(Pue, entry, f"{path}: {name}", provider=name)
            if not 1 <= pue[name].pue <= 3:
                raise bad_value(f"{path}: {name}", "pue", pue[name].pue, "from 1 to 3")
    for path in (layer / GRIDS_FILE for layer in directories if (layer / GRIDS_FILE).is_file()):
        for grid in _grids(path):
            grids.setdefault((grid.provider, grid.region), {})[grid.method] = grid
    return Carbon(power=_power(power), embodied=_embodied(embodied | {"gpus": made}), pue=pue, grids=grids)


def _power(content: dict[str, object]) -> Power:
    where = f"{CARBON_FILE}: power"
    power = parse_entry(Power, content, where)
    for name, value in vars(power).items():
        if name not in _OVER_ONE and value is not None and value > 1:
            raise bad_value(where, name, value, "from 0 to 1")
    if power.one_request_tdp_share > power.many_requests_tdp_share:
        right = f"at most many_requests_tdp_share, {power.many_requests_tdp_share:g}"
        raise bad_value(where, "one_request_tdp_share", power.one_request_tdp_share, right)
    return power


def _embodied(content: dict[str, object]) -> Embodied:
    where = f"{CARBON_FILE}: embodied"
    known = parse_entry(Embodied, content, where)
    spans: dict[str, Span] = {f"gpus.{name}": span for name, span in known.gpus.items()}
    spans |= {name: value for name, value in vars(known).items() if isinstance(value, Span)}
    for name, span in spans.items():
        if span.low > span.high:
            raise bad_value(where, f"{name}.low", span.low, f"at most high, {span.high:g}")
    for name in ("life_years", "hours_used_share"):
        if not spans[name].low:
            raise bad_value(where, f"{name}.low", 0, "above 0")
    if known.hours_used_share.high > 1:
        raise bad_value(where, "hours_used_share.high", known.hours_used_share.high, "from 0 to 1")
    return known


def _grids(path: Path) -> list[Grid]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in _COLUMNS[:-1] if name not in (reader.fieldnames or ())]:
                raise UsageError(f"{path}: the column {missing[0]} is missing: {', '.join(_COLUMNS)}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    return [_grid(row, f"{path}: line {line}") for line, row in rows]


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
