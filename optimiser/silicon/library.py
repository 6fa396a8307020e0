"""The only file that sees aiconfigurator-core: seconds of single engine steps from its measured operators.

Its own batching (run_agg) is not used, only its steps, for three reasons: operating points, queues and mixes are then
the same as everywhere; its cache of operating points forgets which model they were of; and it judges memory by itself.
A model is described to it in a directory, since a name it does not know makes it ask the network.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from optimiser.errors import bad_value
from optimiser.silicon.coverage import Asked

DISTRIBUTION, VERSION = "aiconfigurator-core", "0.12.0"
# What it raises where it has no data, cannot divide the model so, or runs out of memory.
_REFUSALS = (RuntimeError, ValueError, LookupError, AssertionError, NotImplementedError)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A set-up ready to be asked of: the library's own objects, and the engine's version that was measured."""

    backend: Any
    model: Any
    database: Any
    engine_version: str


class NotMeasured(Exception):
    """There are no measurements of a set-up; the message says of what."""


def require_library(where: str) -> None:
    """Raises UsageError, naming what asks for it, where the library is missing or another version."""
    found = importlib.util.find_spec("aiconfigurator_core") and importlib.metadata.version(DISTRIBUTION)
    if found != VERSION:
        there = f"not {found}" if found else "which is not installed"
        right = f"needs {DISTRIBUTION} {VERSION}, {there}: pip install 'cloud-pricing-optimiser[silicon]'"
        raise bad_value(where, "performance", "silicon", right)


@cache
def loaded(asked: Asked) -> Loaded:
    """The set-up, its model described in a directory. Raises NotMeasured."""
    from aiconfigurator_core.sdk import common, config, models, perf_database
    from aiconfigurator_core.sdk.backends.factory import get_backend

    # It warns of what it reads from which file, on stderr for want of handlers.
    logging.getLogger("aiconfigurator_core").setLevel(logging.ERROR)
    refusal = f"no database of {asked.system} with {asked.engine}"
    for slices, groups in asked.expert_splits:
        try:
            database = perf_database.get_database(asked.system, asked.engine, "current")
            if database is None:
                break
            shape = config.ModelConfig(
                tp_size=asked.shards,
                pp_size=asked.stages,
                attention_dp_size=asked.ranks,
                moe_tp_size=slices,
                moe_ep_size=groups,
                gemm_quant_mode=common.GEMMQuantMode[asked.dense_mode],
                moe_quant_mode=common.MoEQuantMode[asked.expert_mode],
                kvcache_quant_mode=common.KVCacheQuantMode[asked.kv_mode],
                fmha_quant_mode=common.FMHAQuantMode.bfloat16,
            )
            model = models.get_model(_described(asked.config_json), shape, asked.engine)
            found = Loaded(
                backend=get_backend(asked.engine),
                model=model,
                database=database,
                engine_version=database.version,
            )
            decode_ms(found, 1.0, 1.0)
            return found
        except (*_REFUSALS, NotMeasured) as error:
            refusal = str(error)
    raise NotMeasured(_short(refusal))


def _short(refusal: str) -> str:
    """What the library says it lacks, without the paths and keys that follow."""
    return re.split(r" at /| for \w+ \{|[;.] ", refusal.removeprefix("perf database error: "))[0]


def decode_ms(at: Loaded, sequences: float, context: float) -> float:
    """Milliseconds of a step in which so many sequences of `context` tokens gain one each, per attention rank.

    Raises NotMeasured.
    """
    from aiconfigurator_core.sdk.config import RuntimeConfig

    # One token after the first of a prompt one shorter: a single decode step at that context.
    load = RuntimeConfig(batch_size=_whole(sequences), isl=max(_whole(context) - 1, 1), osl=2)
    try:
        return float(at.backend.run_static_latency_only(at.model, at.database, load, "static_gen"))
    except _REFUSALS as error:
        raise NotMeasured(str(error)) from error


def mixed_ms(at: Loaded, sequences: float, context: float, prompt_tokens: float, prompt: float) -> float:
    """The same with so many tokens of prompts `prompt` long beside them. Raises NotMeasured."""
    from aiconfigurator_core.sdk.config import RuntimeConfig
    from aiconfigurator_core.sdk.step_estimate import MixedStepInput

    step = MixedStepInput(context_tokens=_whole(prompt_tokens), num_decode_requests=_whole(sequences))

    def parts(prompt_length: float) -> dict[str, float]:
        # Sequences that decode look back at the prompt and half their output, here 2 tokens.
        length = RuntimeConfig(isl=_whole(prompt_length), osl=2)
        estimate = at.backend.run_mixed(at.model, at.database, length, step)
        return dict(estimate.component_latency_ms)

    try:
        prompts, decoding = parts(prompt), parts(max(context - 1.0, 1.0))
    except _REFUSALS as error:
        raise NotMeasured(str(error)) from error
    return prompts["shared_non_attention"] + prompts["context_attention"] + decoding["decode_attention"]


def _whole(value: float) -> int:
    return max(round(value), 1)


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="optimiser-silicon-")


def _described(config_json: str) -> str:
    """The path of a directory with that config.json; another one has another path, for the library caches by it."""
    path = Path(_directory().name) / hashlib.sha256(config_json.encode()).hexdigest()[:16]
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(config_json, encoding="utf-8")
    return str(path)
