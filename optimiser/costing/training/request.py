"""The question of `optimiser train`: a job's file, and what is planned with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from optimiser.config import Config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.job_file import load_job
from optimiser.errors import UsageError, bad_value
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from optimiser.prices.spot_past import NO_PAST, SpotPast


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """One question: train this job under this policy at the prices in force on as_of."""

    job: TrainingJob
    policy: Policy
    config: Config
    book: PriceBook
    as_of: date
    spot_past: SpotPast = NO_PAST


def train_request(
    path: Path,
    config: Config,
    book: PriceBook,
    typed: Sequence[PolicyLayer],
    spot_past: Callable[[Policy], SpotPast],
    overrides: Mapping[str, str] | None = None,
) -> TrainRequest:
    """The question that a job's file asks, under what was typed over its policy; spot_past says what is known of the
    pools that a policy allows, overrides are those of load_job. A model's config.json is looked for beside the file,
    then where the command runs. Raises UsageError for what is wrong in it.
    """
    job = load_job(path, book.as_of, overrides)
    if "model" not in (overrides or {}):
        job = replace(job, model=config.model_named_in(path, job.model))
    try:
        model = config.find_model(job.model)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    if job.sequence_tokens > model.max_context:
        right = f"{model.name} supports {model.max_context:,} tokens"
        raise bad_value(str(path), "sequence_tokens", job.sequence_tokens, right)
    policy = resolve_policy(config, (PolicyLayer(f"{path}: policy", job.policy), *typed), book)
    return TrainRequest(
        job=job, policy=policy, config=config, book=book, as_of=book.as_of, spot_past=spot_past(policy)
    )
