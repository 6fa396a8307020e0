"""What measurement tables call models, GPUs and engines, and what the optimiser calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from optimiser.accuracy.architectures import ARCHITECTURES
from optimiser.performance.specs import GpuSpec, ModelSpec

T = TypeVar("T")

# Names that are neither a model's own nor the last part of a Hugging Face id given for it.
MODEL_NAMES = {
    # The first LLaMA 7B has the sizes of Llama 2 7B (arXiv 2302.13971, table 2).
    "llama-7b": "llama-2-7b",
    "llama-2-7b-hf": "llama-2-7b",
    "llama-2-70b-hf": "llama-2-70b",
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
_FAMILIES = ("llama-2", "llama-3", "gpt-oss", "gpt-j", "qwen2.5", "qwen3")


def models_by_name(models: Mapping[str, ModelSpec]) -> dict[str, ModelSpec]:
    """The catalogue and ARCHITECTURES, under every name that look_up may be asked for."""
    every = {**ARCHITECTURES, **models}
    found = {}
    for model in every.values():
        for name in (*model.published.values(), model.hf_id, model.name):
            found[_key(name)] = model
    return found | {name: every[same] for name, same in MODEL_NAMES.items() if same in every}


def gpus_by_name(gpus: Mapping[str, GpuSpec]) -> dict[str, GpuSpec]:
    """The GPUs under every name that look_up may be asked for."""
    found = {_key(name): gpu for name, gpu in gpus.items()}
    return found | {name: gpus[same] for name, same in GPU_NAMES.items() if same in gpus}


def look_up(known: Mapping[str, T], name: str) -> T | None:
    """What is known under the name, whatever its case, organisation and separators; None for nothing."""
    return known.get(_key(name))


def _key(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower().replace("_", "-").replace(" ", "-")


def engine_of(name: str | None) -> str:
    """The engine as config/performance.yaml names it, without its version; "other" for one that it lacks."""
    return next(
        (engine for start, engine in _ENGINES.items() if (name or "").lower().startswith(start)), "other"
    )


def family_of(model: str) -> str:
    """The family of a model, named as in config/models.yaml: its generation where that has its own design."""
    return next((family for family in _FAMILIES if model.startswith(family)), model.split("-")[0])
