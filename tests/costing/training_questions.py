"""Training jobs asked on the shipped prices of a few machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from training_jobs import job

from optimiser import Policy, load_book, load_config
from optimiser.config import Config
from optimiser.costing.training.job import Method, TrainingJob
from optimiser.costing.training.request import TrainRequest
from optimiser.prices.book import PriceBook

TODAY = date(2026, 11, 21)
CONFIG = load_config()
WHOLE_BOOK = load_book(CONFIG.price_files, CONFIG.shapes, TODAY)
TYPES = ("p5.48xlarge", "p5e.48xlarge", "p4d.24xlarge", "g6e.xlarge", "g6e.12xlarge")
BOOK = replace(WHOLE_BOOK, offers=WHOLE_BOOK.offers[WHOLE_BOOK.offers["instance_type"].isin(TYPES)])
FEW = Policy(instance_types=("p5.48xlarge", "g6e.12xlarge"), spot_for_groups=True)


def asked(
    wanted: TrainingJob, policy: Policy = FEW, config: Config = CONFIG, book: PriceBook = BOOK
) -> TrainRequest:
    return TrainRequest(job=wanted, policy=policy, config=config, book=book, as_of=TODAY)


def small(**other: Any) -> TrainingJob:
    """Full fine-tuning of an 8B model on 1e9 tokens within thirty days."""
    plain: dict[str, Any] = {
        "model": "llama-3.1-8b",
        "method": Method.FULL,
        "tokens": 1e9,
        "deadline_hours": 720,
    }
    return job(**{**plain, "batch_tokens": 64 * 2048, **other})
