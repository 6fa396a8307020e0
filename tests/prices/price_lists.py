"""A price list of a made-up cloud, and its import, as the tests of `prices import` need them."""

import csv
from datetime import date
from pathlib import Path

from optimiser.prices.import_csv import ImportReport, import_prices
from optimiser.prices.snapshot import read_offers_csv
from providers.shape import InstanceShape, Obtainability

TODAY = date(2026, 11, 21)
MEMORY_GB = {"H100": 80.0, "L4": 24.0}


def shape(name: str, gpu: str, count: int) -> InstanceShape:
    return InstanceShape(
        provider="acme",
        instance_type=name,
        gpu=gpu,
        gpu_count=count,
        vcpus=96,
        memory_gib=1900.0,
        gpu_link="nvlink" if count > 1 else "none",
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="all",
        quota_unit="gpu",
    )


SHAPES = {("acme", "big"): shape("big", "H100", 8), ("acme", "small"): shape("small", "L4", 1)}
GOOD = {
    "provider": "acme",
    "region": "north",
    "instance_type": "big",
    "tier": "on_demand",
    "usd_per_hour": "98.3200",
    "observed_on": "2026-11-09",
    "source": "the price page",
}
SPOT = {**GOOD, "tier": "spot", "zone": "a", "usd_per_hour": "40"}
YEAR = {**GOOD, "tier": "reserved", "kind": "reserved_instance", "term_months": "12", "usd_per_hour": "60"}


def write(path: Path, *rows: dict[str, str]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def load(tmp_path: Path, *rows: dict[str, str], replace_all: bool = False) -> ImportReport:
    file = write(tmp_path / "list.csv", *rows)
    destination = tmp_path / "acme.csv"
    return import_prices(
        file, "acme", SHAPES, destination, gpu_memory_gb=MEMORY_GB, replace_all=replace_all, as_of=TODAY
    )


def ids(tmp_path: Path) -> set[str]:
    return {offer.offer_id for offer in read_offers_csv(tmp_path / "acme.csv")[0]}
