"""Where measurements are kept: measurements/*.csv of the config directories, a file for each model."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from optimiser.errors import UsageError, did_you_mean
from optimiser.files import locked, write_whole
from optimiser.measured.formats import LARGEST_BYTES, read_benchmarks
from optimiser.measured.measurement import (
    COLUMNS,
    LATER_COLUMNS,
    Catalogue,
    Measurement,
    Said,
    as_cells,
    from_cells,
    measurement_of,
)
from optimiser.prices.snapshot import read_rows

FOLDER = "measurements"
# Of a SHA-256, enough to tell the files of one user apart.
_DIGITS = 8
# What may differ when the same file is imported again.
_OF_IMPORT = ("file", "imported_on")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import added, and what stood there of the same file already (then nothing is added).

    remarks are what of the file was left out, in words.
    """

    added: tuple[Measurement, ...]
    present: tuple[Measurement, ...]
    failed_requests: int
    remarks: tuple[str, ...] = ()


def stored_measurements(directories: Iterable[Path]) -> tuple[Measurement, ...]:
    """The measurements of every config directory, by file and line. Raises UsageError for a malformed file."""
    files = [path for layer in directories for path in sorted((layer / FOLDER).glob("*.csv"))]
    found = {one.measurement_id: one for path in files for one in _read(path)}
    return tuple(found.values())


def import_benchmark(path: Path, said: Said, known: Catalogue, directory: Path, today: date) -> Imported:
    """Add a benchmark's runs to the measurements of a config directory, all or none.

    Raises UsageError for a file that cannot be read, is of no known format or tells what cannot be, for what is
    needed and neither in it nor said, and where it is stored as of something else.
    """
    content = _bytes(path)
    digest = hashlib.sha256(content).hexdigest()
    readings = read_benchmarks(path, content)
    if not readings:
        raise UsageError(f"{path}: holds no benchmark run")
    several = len(readings) > 1
    found = tuple(
        measurement_of(
            reading,
            said,
            known,
            f"{path} run {place}" if several else str(path),
            measurement_id=f"{digest[:_DIGITS]}-{place}",
            file=path.name,
            file_sha256=digest,
            imported_on=today,
        )
        for place, reading in enumerate(readings, start=1)
    )
    target = directory / FOLDER / f"{_file_name(found[0].model)}.csv"
    with locked(target):
        present = tuple(one for one in stored_measurements([directory]) if one.file_sha256 == digest)
        _check_same(path, found, present)
        if not present:
            _write(target, (*(_read(target) if target.exists() else ()), *found))
    failed = sum(reading.failed for reading in readings)
    remarks = tuple(remark for reading in readings for remark in reading.remarks)
    return Imported(added=() if present else found, present=present, failed_requests=failed, remarks=remarks)


def forget_measurements(wanted: Sequence[str], directory: Path) -> tuple[Measurement, ...]:
    """Remove measurements by id, or all of a file by what its ids begin with; returns those removed.

    Raises UsageError for an id that the directory does not hold, and then removes none.
    """
    folder = directory / FOLDER
    if not folder.is_dir():
        raise UsageError(f"{folder}: no measurements are kept there")
    with locked(folder / "any.csv"):
        held = {path: _read(path) for path in sorted(folder.glob("*.csv"))}
        every = [one for some in held.values() for one in some]
        for name in wanted:
            if not any(_is(one, name) for one in every):
                ids = sorted({one.measurement_id for one in every})
                near = did_you_mean(name, ids) if ids else "none are kept"
                raise UsageError(f"measurement {name!r}: none of this id in {folder}; {near}")
        gone = tuple(one for one in every if any(_is(one, name) for name in wanted))
        for path, some in held.items():
            kept = tuple(one for one in some if one not in gone)
            if len(kept) < len(some):
                _write(path, kept)
    return gone


def _check_same(path: Path, found: Sequence[Measurement], present: Sequence[Measurement]) -> None:
    """UsageError where runs of a file are stored as of something else than is said of them now."""
    stored = {one.measurement_id: one for one in present}
    for one in found:
        old = stored.get(one.measurement_id, one)
        held, said = as_cells(old), as_cells(one)
        for name in COLUMNS:
            if held[name] != said[name] and name not in _OF_IMPORT:
                differs = f"with {name} = {held[name]!r} where it would now be {said[name]!r}"
                run = f"{old.measurement_id}, imported on {old.imported_on}"
                forget = f"`optimiser measure forget {_of_file(old)}` first to import it anew"
                raise UsageError(f"{path}: is stored already ({run}), {differs}: {forget}")


def _of_file(measurement: Measurement) -> str:
    """What the ids of all runs of its file begin with."""
    return measurement.measurement_id.partition("-")[0]


def _is(measurement: Measurement, name: str) -> bool:
    return name in (measurement.measurement_id, _of_file(measurement))


def _bytes(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: is larger than {LARGEST_BYTES >> 20:,} MiB: no benchmark's report")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _file_name(model: str) -> str:
    return re.sub(r"[^\w.-]+", "-", model).strip(".-") or "model"


def _read(path: Path) -> tuple[Measurement, ...]:
    header, lines, rows = read_rows(path)
    missing = [name for name in COLUMNS if name not in (*header, *LATER_COLUMNS)]
    if missing:
        raise UsageError(f"{path}: column {missing[0]!r} is missing: `optimiser measure import` writes it")
    return tuple(
        from_cells(dict(zip(header, map(str.strip, cells), strict=True)), f"{path} line {line}")
        for line, cells in zip(lines, rows, strict=True)
    )


def _write(path: Path, measurements: Sequence[Measurement]) -> None:
    words = io.StringIO(newline="")
    writer = csv.DictWriter(words, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(as_cells, measurements))
    try:
        write_whole(path, words.getvalue())
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
