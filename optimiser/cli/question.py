"""From what was typed to what the pipeline takes: config, prices, workload and the policy in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from optimiser.errors import UsageError, bad_value
from optimiser.files import day_from

if TYPE_CHECKING:
    from optimiser.config import Config
    from optimiser.prices.book import PriceBook
    from optimiser.recommend import Request


def day_of(text: str | None) -> date:
    """The --as-of date, today where it is not given. Raises UsageError."""
    if text is None:
        return date.today()  # noqa: DTZ011 (the user's own calendar day)
    try:
        return day_from(text)
    except ValueError as error:
        raise bad_value("--as-of", "date", text, str(error)) from None


def prices(directory: Path | None, as_of: str | None) -> tuple[Config, PriceBook]:
    """The config and the prices in force."""
    from optimiser.config import load_config
    from optimiser.prices.book import load_book

    day = day_of(as_of)
    config = load_config(directory)
    return config, load_book(config.price_files, config.shapes, day)


def question(
    workload: str,
    *,
    directory: Path | None,
    as_of: str | None,
    settings: Sequence[str],
    options: Mapping[str, tuple[str, Sequence[str] | str | None]],
    explain: bool = False,
) -> Request:
    """settings are `--set` texts; options map a policy field to the command's option for it and its value."""
    from optimiser.config.policy_layers import PolicyLayer, resolve_policy, split_overrides
    from optimiser.workload import load_workload

    overrides, in_workload = split_overrides("--set", settings)
    config, book = prices(directory, as_of)
    path = config.find_workload(workload)
    loaded = load_workload(path, in_workload)
    try:
        config.find_model(loaded.model)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    typed = [PolicyLayer(option, {field: value}) for field, (option, value) in options.items() if value]
    layers = (PolicyLayer(f"{path}: policy", loaded.policy), overrides, *typed)
    policy = resolve_policy(config, layers, book)
    # Only now, so that what was typed wrongly is said without waiting for the solver to load.
    from optimiser.recommend import Request

    return Request(
        workload=loaded, policy=policy, config=config, book=book, as_of=book.as_of, explain=explain
    )
