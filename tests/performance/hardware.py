"""GPUs, efficiencies, models and shapes that the tests of estimates work with, written out by hand."""

from __future__ import annotations

from dataclasses import replace

from optimiser.performance.physics import Engine, Fit, Physics
from optimiser.performance.precision import Served
from optimiser.performance.setups import Hardware
from optimiser.performance.specs import Efficiency, GpuSpec, MlaSpec, ModelSpec, MoeSpec
from providers.shape import InstanceShape, Obtainability


def gpu(name: str, generation: str, memory_gb: float, bandwidth: float, tflops: dict[str, float]) -> GpuSpec:
    return GpuSpec(
        name=name,
        vendor="NVIDIA",
        generation=generation,
        memory_gb=memory_gb,
        usable_mib=int(memory_gb * 1e9 / 2**20),
        memory_bandwidth_gbs=bandwidth,
        dense_tflops=tflops,
        link="PCIe4",
        link_gbs_bidirectional=64,
        tdp_w=100,
        confidence="",
        source="",
        checked="",
    )


def _sxm(spec: GpuSpec, link_gbs: float) -> GpuSpec:
    return replace(spec, link="NVLink", link_gbs_bidirectional=link_gbs, usable_mib=81559)


GPUS = {
    "H100": _sxm(gpu("H100", "Hopper", 80, 3350, {"bf16": 989, "fp16": 989, "fp8": 1978, "int8": 1978}), 900),
    "A100": _sxm(gpu("A100", "Ampere", 80, 2039, {"bf16": 312, "fp16": 312, "int8": 624}), 600),
    "L4": gpu("L4", "Ada", 24, 300, {"bf16": 121, "fp16": 121, "fp8": 242, "int8": 242}),
    "L40S": gpu("L40S", "Ada", 48, 864, {"bf16": 362, "fp16": 362, "fp8": 733, "int8": 733}),
    "T4": gpu("T4", "Turing", 16, 300, {"fp16": 65, "int8": 130}),
}


def efficiency(name: str, compute: float, bandwidth: float, fitted: bool = True) -> Efficiency:
    return Efficiency(
        generation=name, compute=compute, bandwidth=bandwidth, relative_error=0.1, fitted=fitted, source=""
    )


EFFICIENCIES = {
    "Hopper": efficiency("Hopper", 0.8, 0.8),
    "Ampere": efficiency("Ampere", 0.77, 0.83),
    "Ada": efficiency("Ada", 0.65, 0.81),
    "Turing": efficiency("Turing", 0.7, 0.79, fitted=False),
}


# Round figures near the fitted ones; no kernel is slower than another, and routing is even.
PHYSICS = Physics(
    saturation_rows=24.0,
    fill_rows=40.0,
    tile_depth=0.0,
    grouped_share=0.7,
    block_scaled_share=1.0,
    unpacked_share=1.0,
    routing_spread=1.0,
    activation_passes=20.0,
    layer_overhead_us=30.0,
    moe_layer_overhead_us=30.0,
    latent_layer_overhead_us=0.0,
    block_scaled_layer_overhead_us=0.0,
    sequence_overhead_us=6.0,
    link_share=0.7,
    pipeline_loss=0.11,
    prompt_layer_us=0.0,
    engine_first_token_ms=0.0,
    request_overhead_ms=40.0,
)
VLLM = Engine(
    name="vllm",
    step_factor=1.0,
    latent_prompt_layer_us=0.0,
    memory_share=0.9,
    of_free_memory=False,
    versions="0.19",
    source="",
)
TRTLLM = replace(VLLM, name="trtllm", of_free_memory=True)
FIT = Fit(physics=PHYSICS, engines={"vllm": VLLM}, generations=EFFICIENCIES)


def dense(name: str, layers: int, hidden: int, heads: int, intermediate: int) -> ModelSpec:
    return ModelSpec(
        name=name,
        hf_id=name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=8,
        head_dim=128,
        intermediate=intermediate,
        vocabulary=128256,
        max_context=131072,
        tied_embeddings=False,
    )


LLAMA_8B = dense("llama-8b", 32, 4096, 32, 14336)
LLAMA_70B = dense("llama-70b", 80, 8192, 64, 28672)
DEEPSEEK_R1 = replace(
    dense("deepseek-r1", 61, 7168, 128, 18432),
    kv_heads=128,
    vocabulary=129280,
    moe=MoeSpec(experts=256, active=8, intermediate=2048, shared_intermediate=2048, dense_layers=3),
    mla=MlaSpec(kv_rank=512, rope_head_dim=64, nope_head_dim=128, value_head_dim=128, query_rank=1536),
    default_precision="fp8",
)


def served(weight_tflops: float, half_tflops: float) -> Served:
    return Served(
        weight_precision="bf16", kv_precision="bf16", weight_tflops=weight_tflops, half_tflops=half_tflops
    )


def hardware(name: str, count: int, link: str = "nvlink", network_gbps: float | None = None) -> Hardware:
    spec = GPUS[name]
    half = spec.dense_tflops["fp16"]
    return Hardware(
        gpu=spec,
        efficiency=EFFICIENCIES[spec.generation],
        served=served(half, half),
        engine=VLLM,
        physics=PHYSICS,
        gpu_count=count,
        gpu_link=link,
        network_gbps=network_gbps,
    )


def shape(
    name: str,
    count: int,
    *,
    memory_gib: float = 2000,
    link: str = "nvlink",
    network_gbps: float | None = 3200,
) -> InstanceShape:
    return InstanceShape(
        provider="test",
        instance_type=f"{count}x{name}",
        gpu=name,
        gpu_count=count,
        vcpus=8,
        memory_gib=memory_gib,
        gpu_link=link,
        network_gbps=network_gbps,
        obtainability=Obtainability.ELASTIC,
        quota_family="",
        quota_unit="gpu",
    )
