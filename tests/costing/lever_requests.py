"""A small question that is planned again in a fifth of a second: four hours, one instance type in one region."""

from __future__ import annotations

from datetime import date

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.config.levers import load_lever_facts
from optimiser.costing.levers.lever import Given
from optimiser.recommend import Request

DAY = date(2026, 11, 21)
CONFIG = load_config()
FACTS = load_lever_facts(CONFIG.directories, CONFIG.models)
BOOK = load_book(CONFIG.price_files, CONFIG.shapes, DAY)
GIVEN = Given(facts=FACTS)
SMALL = {
    "demand": "{hourly_requests_per_second: [22, 32, 66, 44]}",
    "sizes": "{prompt_tokens: 1000, output_tokens: 200}",
}


def small_request(overrides: dict[str, str] | None = None, **policy: object) -> Request:
    """Chat of one size on p5.48xlarge in us-east-2, with fields of the workload and the policy replaced."""
    workload = load_workload(CONFIG.find_workload("chat-llama-70b"), {**SMALL, **(overrides or {})})
    terms = {
        "providers": ("aws",),
        "regions": ("us-east-2",),
        "instance_types": ("p5.48xlarge",),
        **policy,
    }
    return Request(
        workload=workload,
        policy=Policy.model_validate(terms),
        config=CONFIG,
        book=BOOK,
        as_of=DAY,
        alone=True,
    )
