"""What published runs trained, and how: architectures that config/models.yaml does not hold, batches, clusters.

Sizes are those of the papers and config.json files named, from memory; their sums are the published weight counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optimiser.costing.training.accuracy.table import Run
from optimiser.performance.specs import GpuSpec, ModelSpec
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model was trained: tokens of a sequence and of a step, and GPUs where the row does not say."""

    sequence_tokens: int
    batch_tokens: float
    gpus: int = 1024


def _dense(name: str, layers: int, hidden: int, heads: int, **other: object) -> ModelSpec:
    """GPT-3's design: equal query, key and value heads, a feed-forward block of 4·h with two matrices."""
    plain = ModelSpec(
        name=name,
        hf_id="",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        intermediate=4 * hidden,
        vocabulary=50_368,
        max_context=65_536,
        tied_embeddings=True,
        gated=False,
    )
    return replace(plain, **other)  # type: ignore[arg-type]


_MPT = {  # llm-foundry, scripts/train/yamls/pretrain: layers, hidden, heads
    "125m": (12, 768, 12),
    "350m": (24, 1024, 16),
    "760m": (24, 1536, 12),
    "1b": (24, 2048, 16),
    "3b": (32, 2560, 20),
    "7b": (32, 4096, 32),
    "13b": (40, 5120, 40),
    "30b": (48, 7168, 56),
    "70b": (80, 8192, 64),
}
_LLAMA = {"gated": True, "tied_embeddings": False, "vocabulary": 32_000}
MODELS: Mapping[str, ModelSpec] = {
    **{f"mpt-{size}": _dense(f"mpt-{size}", *shape) for size, shape in _MPT.items()},
    "llama-2-13b": _dense("llama-2-13b", 40, 5120, 40, intermediate=13_824, **_LLAMA),
    "llama-2-34b": _dense("llama-2-34b", 48, 8192, 64, kv_heads=8, intermediate=22_016, **_LLAMA),
    # arXiv 2211.05100, table 3.
    "bloom-176b": _dense("bloom-176b", 70, 14_336, 112, vocabulary=250_880),
    # OLMo 3's configs: three of four layers see 4,096 tokens.
    "olmo-3-7b": _dense(
        "olmo-3-7b", 32, 4096, 32, intermediate=11_008, sliding_window=4096, sliding_layers=24,
        **{**_LLAMA, "vocabulary": 100_278},
    ),
    "olmo-3-32b": _dense(
        "olmo-3-32b", 64, 5120, 40, kv_heads=8, head_dim=128, intermediate=27_648, sliding_window=4096,
        sliding_layers=48, **{**_LLAMA, "vocabulary": 100_278},
    ),
}  # fmt: skip
# How a table calls a model -> its name here or in models.yaml, and how it was trained.
RECIPES: Mapping[str, tuple[str, Recipe]] = {
    # Llama 2, arXiv 2307.09288, section 2.2: 4,096 tokens, 4 M tokens a step.
    **{
        f"Llama-2-{size}B": (f"llama-2-{size}b", Recipe(sequence_tokens=4096, batch_tokens=4.0e6))
        for size in (7, 13, 34, 70)
    },
    # Llama 3, arXiv 2407.21783, section 3.4 and table 4: 8,192 tokens, 16 M a step in the end.
    "Llama-3.1-405B": ("llama-3.1-405b", Recipe(sequence_tokens=8192, batch_tokens=16.0e6)),
    # arXiv 2401.02954, section 2.3; 2405.04434, section 3.1.2; 2412.19437, section 4.2.
    "DeepSeek-67B (per 1T tokens)": ("deepseek-67b", Recipe(sequence_tokens=4096, batch_tokens=4608 * 4096)),
    "DeepSeek-V2 (per 1T tokens)": ("deepseek-v2", Recipe(sequence_tokens=4096, batch_tokens=9216 * 4096)),
    "DeepSeek-V3 pretraining": ("deepseek-v3", Recipe(sequence_tokens=4096, batch_tokens=15_360 * 4096)),
    # arXiv 2211.05100, table 3.
    "BLOOM-176B": ("bloom-176b", Recipe(sequence_tokens=2048, batch_tokens=2048 * 2048)),
    "Olmo 3 7B base throughput": ("olmo-3-7b", Recipe(sequence_tokens=8192, batch_tokens=4.0e6, gpus=512)),
    "Olmo 3 32B base throughput": ("olmo-3-32b", Recipe(sequence_tokens=8192, batch_tokens=8.0e6, gpus=1024)),
}
# llm-foundry's tables keep about this many tokens a GPU and step.
_MPT_TOKENS_PER_GPU = 65_536
# Gbit/s of the usual machine of eight (DGX A100, DGX H100); an H800 is an H100 with links of 400 GB/s, both directions.
_H800_LINK_GBS = 400.0
_NETWORK_GBPS = {"A100": 1600.0, "H100": 3200.0, "H800": 3200.0}
GPUS_PER_NODE = 8


def recipe_of(run: Run) -> tuple[str, Recipe] | None:
    """The model trained and how; None where it is not known here."""
    if run.model in RECIPES:
        name, recipe = RECIPES[run.model]
        return name, replace(recipe, gpus=int(run.gpu_count)) if run.gpu_count else recipe
    name = run.model.lower().replace(" ", "-")
    if name in MODELS and run.sequence_tokens and run.gpu_count:
        batch = max(_MPT_TOKENS_PER_GPU, run.sequence_tokens) * run.gpu_count
        recipe = Recipe(sequence_tokens=run.sequence_tokens, batch_tokens=batch, gpus=int(run.gpu_count))
        return name, recipe
    return None


def machine_of(run: Run, gpus: Mapping[str, GpuSpec]) -> tuple[InstanceShape, GpuSpec] | None:
    """The machine of a row, of eight GPUs; None for hardware that is no one GPU known here."""
    words = run.hardware.split()
    family = words[0]
    if family not in _NETWORK_GBPS:
        return None
    name = "A100-40GB" if "40GB" in words else {"A100": "A100-80GB"}.get(family, "H100")
    gpu = gpus[name]
    if family == "H800":
        gpu = replace(gpu, name="H800", link_gbs_bidirectional=_H800_LINK_GBS)
    return _node(gpu, _NETWORK_GBPS[family]), gpu


def _node(gpu: GpuSpec, network_gbps: float) -> InstanceShape:
    return InstanceShape(
        provider="", instance_type=f"8 × {gpu.name}", gpu=gpu.name, gpu_count=GPUS_PER_NODE, vcpus=0, memory_gib=0,
        gpu_link=GpuLink.NVLINK, network_gbps=network_gbps, obtainability=Obtainability.SCARCE, quota_family="",
        quota_unit=QuotaUnit.GPU,
    )  # fmt: skip
