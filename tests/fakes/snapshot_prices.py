"""What machines really cost, so that made-up price lists pass the checks of a refresh."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from statistics import median

SNAPSHOT = Path(__file__).resolve().parents[2] / "config/prices"


def on_demand_usd(provider: str) -> dict[str, float]:
    """USD per hour on demand of each instance type, the median of the regions in the embedded snapshot."""
    prices: dict[str, list[float]] = defaultdict(list)
    with (SNAPSHOT / f"{provider}.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["tier"] == "on_demand" and row["usd_per_hour"]:
                prices[row["instance_type"]].append(float(row["usd_per_hour"]))
    return {name: median(found) for name, found in sorted(prices.items())}
