"""Projects whose serving is planned, and renting looked up, at the prices in force."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from projects import written

from optimiser.config import Config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.costing.project.budget import Budget, budget_of
from optimiser.costing.project.prices import Prices
from optimiser.costing.project.read import load_project
from optimiser.prices.book import PriceBook
from optimiser.prices.spot_past import NO_PAST
from optimiser.recommend import Request
from optimiser.workload import load_workload

AS_OF = date(2026, 11, 21)
ROLE = {"engineering": [{"role": "r", "people": 1, "salary_usd_per_year": 12}]}


def asked(config: Config, book: PriceBook, **policy: Any) -> Request:
    """Chat on p5.48xlarge in us-east-2, which is planned in no time."""
    only = {"regions": ["us-east-2"], "instance_types": ["p5.48xlarge"]} | policy
    return Request(
        workload=load_workload(config.find_workload("chat-llama-70b")),
        policy=resolve_policy(config, (PolicyLayer("test", only),), book),
        config=config,
        book=book,
        as_of=AS_OF,
    )


def budget_with(directory: Path, serving: Request, lines: dict[str, Any]) -> Budget:
    head = {"name": "p", "months": 3, "start": "2026-11"}
    prices = Prices(
        config=serving.config, book=serving.book, serving=serving, spot_past=lambda _policy: NO_PAST
    )
    return budget_of(load_project(written(directory, head | lines)), prices)
