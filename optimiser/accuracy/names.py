"""What measurement tables call models, GPUs and engines, and what the optimiser calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from optimiser.accuracy.architectures import ARCHITECTURES
from optimiser.accuracy.gpu_names import gpu_spelled
from optimiser.performance.specs import GpuSpec, ModelSpec

T = TypeVar("T")

# Names that are neither a model's own nor the last part of a Hugging Face id given for it: models of the same sizes.
MODEL_NAMES = {
    # The first LLaMA 7B and 13B have the sizes of Llama 2's (arXiv 2302.13971, table 2), and Vicuna is tuned from both.
    **{f"{name}-{size}": f"llama-2-{size}" for name in ("llama", "vicuna") for size in ("7b", "13b")},
    **{f"vicuna-{size}-v1.5": f"llama-2-{size}" for size in ("7b", "13b")},
    "llama-33b": "llama-30b",
    "llama-3.1-nemotron-70b": "llama-3.1-70b",
    # Qwen2, Qwen2.5 Coder and Math, and QwQ: the config.json files differ from Qwen2.5's in contexts and rope alone.
    **{f"qwen2-{size}": f"qwen2.5-{size}" for size in ("0.5b", "1.5b", "7b", "72b")},
    **{f"qwen2.5-coder-{size}": f"qwen2.5-{size}" for size in ("0.5b", "1.5b", "3b", "7b", "14b")},
    "qwen2.5-math-7b": "qwen2.5-7b",
    "qwen2.5-math-72b": "qwen2.5-72b",
    "qwq-32b": "qwen2.5-32b",
    "qwq-32b-preview": "qwen2.5-32b",
    **{
        f"{name}-{kind}2507": name
        for name in ("qwen3-4b", "qwen3-30b-a3b", "qwen3-235b-a22b")
        for kind in ("", "thinking-")
    },
    # DeepSeek-R1's distilled models, after the base that its card names.
    "deepseek-r1-distill-llama-8b": "llama-3.1-8b",
    "deepseek-r1-distill-llama-70b": "llama-3.3-70b",
    **{f"deepseek-r1-distill-qwen-{size}": f"qwen2.5-{size}" for size in ("7b", "14b", "32b")},
    "deepseek-v3-0324": "deepseek-v3",
    "deepseek-v3.1": "deepseek-v3",
    "deepseek-r1-0528": "deepseek-r1",
    "mixtral-8x7b-v0.1": "mixtral-8x7b",
    "mixtral-8x22b-v0.1": "mixtral-8x22b",
    "mistral-nemo": "mistral-nemo-12b",
    "mistral-large-2407": "mistral-large-123b",
    "kimi-k2-0905": "kimi-k2",
    # Phi-3.5 mini has the sizes of Phi-3 mini; without a context the one whose attention no window ends: up to 2,047
    # tokens they are alike.
    "phi-3-mini": "phi-3-mini-128k",
    "phi-3.5-mini": "phi-3-mini-128k",
}
GPU_NAMES = {"a100-sxm": "A100-80GB", "a100-pcie": "A100-80GB-PCIe", "h100-sxm": "H100", "h200-sxm": "H200"}
# gpt-oss exists in MXFP4 alone: a table that names another precision for it means that of the activations.
ONLY_PRECISION = {"gpt-oss-20b": "fp4", "gpt-oss-120b": "fp4"}
# By how a name starts, in lower case. NVIDIA's MLPerf logs name TensorRT or CUDA and mean TensorRT-LLM.
_ENGINES = {
    "tensorrt": "trtllm",
    "trtllm": "trtllm",
    "cuda": "trtllm",
    "nim": "trtllm",
    "vllm": "vllm",
    "sglang": "sglang",
}
# Parts of a model's name that leave its sizes as they are: how it was tuned, and the precision, which tables have a
# column for. What changes the work ("sparse", "pruned", "draft", "vision", a version) is not among them.
_TUNED = frozenset({"base", "instruct", "chat", "it", "hf"})
_QUANTISED = frozenset(
    {"bf16", "fp16", "fp8", "fp4", "nvfp4", "mxfp4", "int8", "int4", "awq", "gptq", "dynamic", "kv"}
    | {f"{start}{bits}" for start in ("", "quantized.") for bits in ("w4a16", "w8a16", "w8a8")}
)
# The generation of families that tables write with and without hyphen or dot: "Llama3.1-8B", "llama-3-1-8b".
_GENERATION = re.compile(r"^(?P<family>llama|qwen|gemma|phi)-?(?P<major>\d)(?:[.-](?P<minor>\d))?(?=-|$)")
_FAMILIES = ("llama-2", "llama-3", "gpt-oss", "gpt-j", "qwen2.5", "qwen3")


@dataclass(frozen=True)
class Named(Generic[T]):
    """Things by name: exact is as _key writes names, otherwise finds what is spelled in another way."""

    exact: Mapping[str, T]
    otherwise: Callable[[str], T | None]


def models_by_name(models: Mapping[str, ModelSpec]) -> Named[ModelSpec]:
    """The catalogue and ARCHITECTURES, under every name that look_up may be asked for.

    A spelling that two of them share names neither, unless it is a name of one as it stands.
    """
    every = {**ARCHITECTURES, **models}
    exact = {name: every[same] for name, same in MODEL_NAMES.items() if same in every}
    for model in every.values():
        for name in (*model.published.values(), model.hf_id, model.name):
            exact[_key(name)] = model
    spelled: dict[str, ModelSpec | None] = {}
    for name, model in exact.items():
        known = spelled.setdefault(_plain(name), model)
        spelled[_plain(name)] = model if known is not None and known.name == model.name else None
    spelled |= exact
    return Named(exact, lambda name: spelled.get(_plain(name)))


def gpus_by_name(gpus: Mapping[str, GpuSpec]) -> Named[GpuSpec]:
    """The GPUs under every name that look_up may be asked for."""
    exact = {name: gpus[same] for name, same in GPU_NAMES.items() if same in gpus}
    exact |= {_key(name): gpu for name, gpu in gpus.items()}
    return Named(exact, lambda name: gpu_spelled(gpus, name))


def look_up(known: Named[T], name: str) -> T | None:
    """What is known under the name, whatever its case, organisation and separators, else however it is spelled; None
    for nothing, and for what is not told apart.
    """
    return known.exact.get(_key(name)) or known.otherwise(name)


def _key(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower().replace("_", "-").replace(" ", "-")


def _plain(name: str) -> str:
    """A model's name without what says nothing of its sizes: "Meta-Llama3.1-8B-Instruct-FP8" is "llama-3.1-8b"."""
    key = _GENERATION.sub(_as_published, _key(name).removeprefix("meta-"))
    return "-".join(part for part in key.split("-") if part not in _TUNED | _QUANTISED)


def _as_published(found: re.Match[str]) -> str:
    hyphen = "" if found["family"] == "qwen" else "-"
    minor = f".{found['minor']}" if found["minor"] else ""
    return f"{found['family']}{hyphen}{found['major']}{minor}"


def engine_of(name: str | None) -> str:
    """The engine as config/performance.yaml names it, without its version; "other" for one that it lacks."""
    return next(
        (engine for start, engine in _ENGINES.items() if (name or "").lower().startswith(start)), "other"
    )


def family_of(model: str) -> str:
    """The family of a model, named as in config/models.yaml: its generation where that has its own design."""
    return next((family for family in _FAMILIES if model.startswith(family)), model.split("-")[0])
