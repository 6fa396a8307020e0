"""A calibration: what was measured, on what, under which conditions; kept as JSON, raw points first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from optimiser.config.entries import mapping_of, only_known, parse_entry
from optimiser.errors import UsageError, bad_value, did_you_mean

SCHEMA_VERSION = "1.1"
# A calibration of every size is about 200 KB.
LARGEST_BYTES = 16 << 20
# Percentiles of the time to first token.
PERCENTILES = (50, 90, 95, 99)
# What the sizes of a section's points are.
SIZES = {
    "products": ("rows", "outputs", "inputs"),
    "read": ("bytes",),
    "decode_attention": ("batch", "context", "group"),
    "prefill_attention": ("tokens", "group"),
    "steps": ("layers", "batch", "context", "prompt"),
    "experts": ("tokens", "rows", "touched", "largest", "outputs", "inputs"),
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One timing: the median of `runs`, in seconds.

    section is the kind of kernel, case what it is taken from (such as "llama-3.1-8b down"), precision the format of
    its operands, sizes the rest. flops and bytes_moved are the operations and the memory traffic that the kernel
    cannot do without; 0 where a point is of several kernels.
    """

    section: str
    case: str
    precision: str
    sizes: dict[str, int]
    seconds: float
    runs: int
    flops: float = 0.0
    bytes_moved: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A size that was not measured, and why: the GPU has no room, or torch no kernel."""

    section: str
    case: str
    precision: str
    sizes: dict[str, int]
    reason: str


@dataclass(frozen=True, kw_only=True)
class ServedLoad:
    """Requests of one size, served by continuous batching with `layers` layers of the model `case`.

    load is the share of the highest rate at which they came, as a Poisson process; 1 is the measurement of that rate:
    all are there from the start, and ttft_s is empty. Else it is the time to first token by percentile, over so many
    requests; duration_s is from the first arrival to the last token, those that warm up included.
    decoding is the mean number of sequences that decode in a step. decode_step_s is the mean step without prompts, None
    where there was none, mixed_step_s that with prompts, of which it takes mixed_prompts on average.
    """

    case: str
    precision: str
    layers: int
    prompt: int
    output: int
    places: int
    load: float
    rate_rps: float
    requests: int
    duration_s: float
    ttft_s: dict[str, float]
    decoding: float
    decode_step_s: float | None
    mixed_step_s: float
    mixed_prompts: float


@dataclass(frozen=True, kw_only=True)
class GpuState:
    """What the driver says of a GPU at one moment; None what it does not tell."""

    driver: str | None = None
    sm_clock_mhz: float | None = None
    sm_clock_max_mhz: float | None = None
    memory_clock_mhz: float | None = None
    power_limit_w: float | None = None
    power_draw_w: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Everything measured on one GPU in one go.

    gpu is its name in gpus.yaml, device the driver's name for it. idle is its state before the first measurement,
    under_load while it multiplied matrices without a break. complete is False where it was interrupted. measured_at
    is UTC, ISO 8601.
    """

    gpu: str
    device: str
    measured_at: str
    torch: str
    cuda: str | None
    quick: bool
    complete: bool = False
    idle: GpuState = field(default_factory=GpuState)
    under_load: GpuState | None = None
    points: tuple[Point, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    serving: tuple[ServedLoad, ...] = ()

    @property
    def measured_on(self) -> str:
        """The day, as 2026-11-22."""
        return self.measured_at[:10]

    @property
    def driver(self) -> str:
        """The GPU's driver, "" where it was not told."""
        return self.idle.driver or ""

    @property
    def precisions(self) -> tuple[str, ...]:
        """The formats of the products."""
        return tuple(dict.fromkeys(point.precision for point in self.of("products")))

    def of(self, section: str) -> tuple[Point, ...]:
        """The points of one section, in the order they were measured."""
        return tuple(point for point in self.points if point.section == section)


def calibration_json(calibration: Calibration, derived: Mapping[str, Any]) -> str:
    """The file: provenance, what was derived (for people; reading derives anew), then a point a line."""
    content = {"schema_version": SCHEMA_VERSION, **asdict(calibration), "derived": dict(derived)}
    lists = {name: content.pop(name) for name in ("points", "left_out", "serving")}
    head = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    for name, rows in lists.items():
        lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        head += f',\n "{name}": [' + (f"\n{lines}\n ]" if lines else "]")
    return head + "\n}\n"


def read_calibration(path: Path) -> Calibration:
    """What `optimiser calibrate` wrote. Raises UsageError for a file that is none, or has another major version."""
    content = _content(path)
    version = content.pop("schema_version", None)
    if not isinstance(version, str) or version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        right = f"a calibration of version {SCHEMA_VERSION}, as `optimiser calibrate` writes it, is expected"
        raise bad_value(str(path), "schema_version", version, right)
    content.pop("derived", None)
    lists = {name: content.pop(name, None) for name in ("points", "left_out")}
    # Version 1.0 had none.
    lists["serving"] = content.pop("serving", [])
    only_known(content, tuple(item.name for item in fields(Calibration)), str(path))
    points = tuple(
        _point(entry, f"{path}: points {place}") for place, entry in enumerate(_list(path, lists, "points"))
    )
    left_out = tuple(
        parse_entry(LeftOut, entry, f"{path}: left_out {place}")
        for place, entry in enumerate(_list(path, lists, "left_out"))
    )
    serving = tuple(
        _served(entry, f"{path}: serving {place}")
        for place, entry in enumerate(_list(path, lists, "serving"))
    )
    whole = parse_entry(Calibration, content, str(path))
    return replace(whole, points=points, left_out=left_out, serving=serving)


def _point(entry: object, where: str) -> Point:
    point = parse_entry(Point, entry, where)
    if point.section not in SIZES:
        raise bad_value(where, "section", point.section, did_you_mean(point.section, SIZES))
    wanted = SIZES[point.section]
    if set(point.sizes) != set(wanted):
        raise bad_value(where, "sizes", point.sizes, f"{', '.join(wanted)} are expected")
    for name, value in point.sizes.items():
        if not value and name != "prompt":
            raise bad_value(where, f"sizes.{name}", value, "must be above 0")
    if not point.seconds:
        raise bad_value(where, "seconds", point.seconds, "must be above 0")
    return point


def _served(entry: object, where: str) -> ServedLoad:
    served = parse_entry(ServedLoad, entry, where)
    waited = {f"ttft_s.{name}": seconds for name, seconds in served.ttft_s.items()}
    for name, value in {**asdict(served), **waited}.items():
        if value == 0:
            raise bad_value(where, name, value, "must be above 0")
    if served.load > 1:
        raise bad_value(where, "load", served.load, "must be at most 1")
    wanted = {f"{percentile}" for percentile in PERCENTILES} if served.load < 1 else set()
    if set(served.ttft_s) != wanted:
        raise bad_value(where, "ttft_s", served.ttft_s, f"{', '.join(sorted(wanted)) or 'none'} are expected")
    return served


def _list(path: Path, lists: Mapping[str, object], name: str) -> list[object]:
    value = lists[name]
    if not isinstance(value, list):
        raise bad_value(str(path), name, value, "must be a list")
    return value


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: is larger than {LARGEST_BYTES >> 20} MiB: no calibration")
        return mapping_of(json.loads(path.read_bytes()), str(path), "the file")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from None
