"""Which set-ups aiconfigurator-core 0.12.0 has measured operators for, and what they are called there.

What is said of that library was read from its source (Apache-2.0, github.com/ai-dynamo/aiconfigurator) and tried; it
is not imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimiser.performance.precision import HALF_PRECISIONS, in_half
from optimiser.performance.setups import Candidate
from optimiser.performance.specs import MlaSpec, ModelSpec

# systems/*.yaml with measurements behind them; L4 and the PCIe cards have an ideal roofline alone.
SYSTEMS = {
    "A100-80GB": "a100_sxm",
    "H100": "h100_sxm",
    "H200": "h200_sxm",
    "B200": "b200_sxm",
    "B300": "b300_sxm",
    "GB200": "gb200",
    "L40S": "l40s",
    "RTX-PRO-6000": "rtx_pro_6000_server",
}
# Measured one GPU at a time: its all-reduce over PCIe is far too slow there (70B on 4 reads 62 % low).
UNSPLIT = ("L40S",)
# Measured in machines whose GPUs PCIe joins; all others by NVLink.
JOINED_BY_PCIE = ("RTX-PRO-6000",)
# Its vLLM 0.24 has block-scaled fp8 slower than 16 bit: on Blackwell steps 5 to 20 times TensorRT-LLM's, and times per
# token of MiniMax-M2.5 2.4 times those InferenceX measured there (171 figures), 1.3 times on Hopper (66).
SLOW_BLOCKS = ("vllm",)
# Its DeepSeek family computes with these widths, whatever config.json says (sdk/models/deepseek.py).
DEEPSEEK_ATTENTION = MlaSpec(
    kv_rank=512, rope_head_dim=64, nope_head_dim=128, value_head_dim=128, query_rank=1536
)
# Its gpt-oss has this window, in every other layer (sdk/models/moe.py).
GPT_OSS_WINDOW = 128
# What it calls the number formats of dense products, and of those of routed experts.
_DENSE = {"int8": "sq", "int4": "int4_wo"}
_EXPERTS = {"int4": "int4_wo"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A set-up in the library's words; config_json is what it would read of the model.

    Each of expert_splits is a way to divide the routed experts over its GPUs, (slices of each, groups of whole ones),
    the first that was measured counts; one entry without meaning for a dense model. notes say what is approximated.
    """

    system: str
    engine: str
    config_json: str
    dense_mode: str
    expert_mode: str
    kv_mode: str
    shards: int
    ranks: int
    stages: int
    expert_splits: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()


def asked_of(model: ModelSpec, candidate: Candidate) -> Asked | str:
    """The set-up as the library would be asked of it, or in plain words why it has no measurements of it."""
    gpu, gpus = candidate.hardware.gpu.name, candidate.shards * candidate.ranks
    if gpu not in SYSTEMS:
        return f"it has no measurements on {gpu}"
    if candidate.instances > 1:
        return "it is not asked of a replica over several instances"
    if gpus * candidate.stages > 1 and gpu in UNSPLIT:
        return f"a replica split over {gpu} is not to be had from its measurements"
    link = "pcie" if gpu in JOINED_BY_PCIE else "nvlink"
    if gpus > 1 and candidate.hardware.gpu_link != link:
        return f"its {gpu} are joined by {'PCIe' if link == 'pcie' else 'NVLink'}"
    config = config_of(model)
    if isinstance(config, str):
        return config
    served = candidate.hardware.served
    modes = _modes(model, served.weight_precision, "fp4" in candidate.hardware.gpu.dense_tflops)
    if isinstance(modes, str):
        return modes
    engine = candidate.hardware.engine.name
    if "fp8_block" in modes and engine in SLOW_BLOCKS:
        return f"its block-scaled fp8 products of {engine} are far too slow"
    notes = []
    if model.moe and model.quantised_parts.get(served.weight_precision) == "feed_forward":
        notes.append("shared experts and dense layers are counted in 16 bit")
    if model.moe and model.moe.dense_layers:
        notes.append("all layers are counted as having routed experts")
    half = served.kv_precision in HALF_PRECISIONS
    return Asked(
        system=SYSTEMS[gpu],
        engine=engine,
        config_json=json.dumps(config, sort_keys=True),
        dense_mode=modes[0],
        expert_mode=modes[1],
        kv_mode="bfloat16" if half else served.kv_precision,
        shards=candidate.shards,
        ranks=candidate.ranks,
        stages=candidate.stages,
        expert_splits=((1, gpus),) if candidate.ranks > 1 or gpus == 1 else ((gpus, 1), (1, gpus)),
        notes=tuple(notes),
    )


def config_of(model: ModelSpec) -> Mapping[str, Any] | str:
    """A config.json of the family that computes what the model does, or why it has none."""
    sliding = model.sliding_window is not None and model.sliding_layers > 0
    if not model.gated:
        return "its models have gated feed-forward blocks"
    config: dict[str, Any] = {
        "num_hidden_layers": model.layers,
        "hidden_size": model.hidden,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "intermediate_size": model.intermediate,
        "vocab_size": model.vocabulary,
        "max_position_embeddings": model.max_context,
    }
    moe = model.moe
    if moe is None:
        if model.mla or sliding:
            return "it has no dense model with latent attention or a sliding window"
        return config | {"architectures": ["LlamaForCausalLM"]}
    config |= {"num_experts_per_tok": moe.active, "moe_intermediate_size": moe.intermediate}
    if model.mla:
        if model.mla != DEEPSEEK_ATTENTION or sliding or moe.shared_intermediate != moe.intermediate:
            return "of latent attention it has DeepSeek-V3's widths alone, with one shared expert"
        more = {
            "n_routed_experts": moe.experts,
            "n_shared_experts": 1,
            "architectures": ["DeepseekV3ForCausalLM"],
        }
        return config | more | {"kv_lora_rank": model.mla.kv_rank, "v_head_dim": model.mla.value_head_dim}
    if moe.shared_intermediate or moe.dense_layers:
        return "its mixtures of experts have no shared experts and no dense layers"
    if not sliding:
        return config | {"num_experts": moe.experts, "architectures": ["Qwen3MoeForCausalLM"]}
    if model.sliding_window != GPT_OSS_WINDOW or 2 * model.sliding_layers != model.layers:
        return f"of sliding windows it has gpt-oss's {GPT_OSS_WINDOW} tokens in every other layer alone"
    return config | {"num_local_experts": moe.experts, "architectures": ["GptOssForCausalLM"]}


def _modes(model: ModelSpec, precision: str, fp4_cores: bool) -> tuple[str, str] | str:
    """What it calls the formats of dense weights and of routed experts; why it has none."""
    part = model.quantised_parts.get(precision, "linear")
    if precision in HALF_PRECISIONS:
        return "bfloat16", "bfloat16"
    if precision == "fp8" and in_half(model, precision):
        return "it has no products of 8-bit floats with 16-bit activations"
    if precision == "fp8":
        block = precision in model.scale_block
        dense, experts = ("fp8_block", "fp8_block") if block else ("fp8_static", "fp8")
    elif precision == "fp4" and precision in model.computed_in:
        # MXFP4 experts: 8-bit activations where the GPU has cores for fp4, else unpacked to 16 bit.
        dense, experts = "", "w4a8_mxfp4_mxfp8" if fp4_cores else "w4a16_mxfp4"
    elif precision == "fp4":
        dense = experts = "nvfp4" if fp4_cores else "nvfp4_wo"
    else:
        alone = f"{precision}_wo" if in_half(model, precision) else ""
        dense, experts = alone or _DENSE[precision], _EXPERTS.get(precision, "")
    if model.moe is None:
        if part != "linear":
            return (
                f"it has no dense model whose {precision} weights are those of the feed-forward blocks alone"
            )
        return (dense, "bfloat16") if dense else f"it has no dense products in {precision}"
    if not experts:
        return f"it has no routed experts in {precision}"
    if part != "linear":
        return "bfloat16", experts
    return (dense, experts) if dense else f"it has no dense products in {precision}"
