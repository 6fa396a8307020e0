"""Runs whose own file says that prompts repeated each other: no measure of prompts that no cache has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optimiser.errors import bad_value
from optimiser.measured.reading import timed, value_at

_WHY = (
    "a cache keeps what prompts repeat, and such a run is none to anchor on: measure prompts that share nothing, and "
    "describe what is cached in the workload (cached_prefix_tokens)"
)
# Prefixes to choose from, tokens of each, and those where the file does not say: AIPerf to 0.9 (PrefixPromptConfig in
# src/aiperf/common/config/prompt_config.py), GenAI-Perf (ConfigPrefixPrompt in genai_perf/config/input/config_input.py)
# and its older versions, which wrote their options down. GenAI-Perf writes a length of 100 beside no prefixes at all.
_POOLS = (
    ("input.prompt.prefix_prompt.pool_size", "input.prompt.prefix_prompt.length", 0.0),
    ("input.prefix_prompt.num", "input.prefix_prompt.length", 100.0),
    ("num_prefix_prompts", "prefix_prompt_length", 100.0),
)
_SHARED = (
    "input.prompt.prefix_prompt.shared_system_prompt_length",
    "input.prompt.prefix_prompt.prefix_reuse_rate",
)
_TURNS = ("input.conversation.turn.mean", "input.sessions.turns.mean", "session_turns_mean")


def check_not_cached(config: Any, where: str) -> None:
    """UsageError where AIPerf's or GenAI-Perf's input_config says that prompts share a prefix, or that conversations
    have several turns, each of which repeats those before it.
    """
    for path, told in _shared(config, where):
        raise bad_value(where, f"input_config.{path}", told, f"must be 0 or absent: {_WHY}")
    for path, told in _turns(config, where):
        if told > 1.0:
            raise bad_value(where, f"input_config.{path}", told, f"must be 1 or absent: {_WHY}")


def _shared(config: Any, where: str) -> Iterator[tuple[str, float]]:
    for pool, length, usual in _POOLS:
        tokens = usual if value_at(config, length) is None else timed(config, where, length)
        if timed(config, where, pool) and tokens:
            yield length, tokens
    for path in _SHARED:
        if told := timed(config, where, path):
            yield path, told
    for place, dataset in _datasets(config):
        prefixes = value_at(dataset, "prefix_prompts")
        if timed(prefixes, where, "pool_size") and (told := timed(prefixes, where, "length")):
            yield f"{place}.prefix_prompts.length", told
        if told := timed(prefixes, where, "shared_system_length"):
            yield f"{place}.prefix_prompts.shared_system_length", told


def _turns(config: Any, where: str) -> Iterator[tuple[str, float]]:
    for path in _TURNS:
        if told := timed(config, where, path):
            yield path, told
    for place, dataset in _datasets(config):
        # A number, or a distribution by its value or mean (src/aiperf/config/distributions.py).
        if told := timed(dataset, where, "turns.value", "turns.mean", *_plain(dataset)):
            yield f"{place}.turns", told


def _plain(dataset: Any) -> tuple[str, ...]:
    return () if isinstance(value_at(dataset, "turns"), Mapping) else ("turns",)


def _datasets(config: Any) -> Iterator[tuple[str, Any]]:
    """Datasets of AIPerf from 0.10 (src/aiperf/config/dataset/config.py), each with its place."""
    datasets = value_at(config, "datasets")
    for place, dataset in enumerate(datasets if isinstance(datasets, list) else ()):
        yield f"datasets[{place}]", dataset
