"""The ways to lay a model out on instances of one kind, and what each of them can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.performance.estimate_types import Setup
from optimiser.performance.layouts import Layouts
from optimiser.performance.physics import Engine, Physics
from optimiser.performance.precision import Served
from optimiser.performance.specs import Calibrated, Efficiency, GpuSpec, ModelSpec

TENSOR_PARALLEL = (1, 2, 4, 8, 16)
PIPELINE_PARALLEL = (1, 2, 4)
GROUP_SIZES = (2, 4)
# Groups of instances need a network that does not dominate the hand-over between stages.
MIN_GROUP_NETWORK_GBPS = 100.0
# Seconds per collective message and doubling of its members, over each kind of link.
NVLINK_LATENCY_S = 5e-6
PCIE_LATENCY_S = 15e-6
NETWORK_LATENCY_S = 30e-6
# Collectives over PCIe without peer-to-peer go through host memory that all GPUs share.
PCIE_SHARE = 0.5
# Bidirectional GB/s of PCIe 4.0 ×16, where an instance does not wire the GPU's own link.
PCIE4_GBS = 64.0
# A GPU with fewer experts waits for the one with the most popular; the fewest measured (Qwen3-30B-A3B on 8 GPUs).
EXPERTS_PER_RANK = 16
# An H100 NVL bridge joins two GPUs; beyond the pair, traffic takes PCIe 5.0 ×16.
BRIDGED_GPUS = 2
PCIE5_GBS = 128.0

Instance = tuple[int, str, int, str]


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Instances that estimate alike: GPUs, how they are joined, network_gbps between instances, the engine on
    them and the physics that hold everywhere. pair is the place, among the pairs of precisions that are asked about, of
    the one served. calibrated is where the efficiency's shares are from, if they are the GPU's own.
    """

    gpu: GpuSpec
    efficiency: Efficiency
    served: Served
    engine: Engine
    physics: Physics
    gpu_count: int
    gpu_link: str
    network_gbps: float | None
    pair: int = 0
    calibrated: Calibrated | None = None

    @property
    def instance(self) -> Instance:
        """What one instance does by itself depends on this: the network between instances matters to groups alone."""
        return self.pair, self.gpu.name, self.gpu_count, self.gpu_link


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One set-up on one kind of hardware; shards × ranks × stages GPUs make a replica (timing.Layouts)."""

    hardware: Hardware
    shards: int
    ranks: int
    stages: int
    instances: int
    replicas: int

    def setup(self) -> Setup:
        """The same as the estimate reports it."""
        served = self.hardware.served
        return Setup(
            weight_precision=served.weight_precision,
            kv_precision=served.kv_precision,
            tensor_parallel=self.shards * self.ranks,
            pipeline_parallel=self.stages,
            instances_per_unit=self.instances,
            replicas_per_unit=self.replicas,
            attention_data_parallel=self.ranks > 1,
        )


def splits_heads(model: ModelSpec, shards: int) -> bool:
    """Whether tensor parallelism divides query heads evenly and KV heads evenly or into copies."""
    if model.heads % shards:
        return False
    return model.mla is not None or model.kv_heads % shards == 0 or shards % model.kv_heads == 0


def spreads_experts(model: ModelSpec, ranks: int) -> bool:
    """Whether attention can be data-parallel over `ranks` GPUs with the experts spread evenly over them.

    Without latent attention, whose cache no other set-up splits, only where each GPU holds enough experts.
    """
    if model.moe is None or ranks < 2 or model.moe.experts % ranks:
        return False
    return model.mla is not None or model.moe.experts >= ranks * EXPERTS_PER_RANK


def single_candidates(model: ModelSpec, hardware: Hardware, least_gpus: float = 1.0) -> list[Candidate]:
    """Set-ups within one instance, as many replicas as it holds, of at least so many GPUs each."""
    found = []
    depths = (1,) if hardware.gpu_link == "nvlink" else PIPELINE_PARALLEL
    for shards in TENSOR_PARALLEL:
        for stages in depths:
            gpus = shards * stages
            if least_gpus <= gpus <= hardware.gpu_count and splits_heads(model, shards):
                found.append(_candidate(hardware, shards, 1, stages, 1, hardware.gpu_count // gpus))
        if least_gpus <= shards <= hardware.gpu_count and spreads_experts(model, shards):
            found.append(_candidate(hardware, 1, shards, 1, 1, hardware.gpu_count // shards))
    return found


def group_candidates(model: ModelSpec, hardware: Hardware, instances: int) -> list[Candidate]:
    """Set-ups of one replica over several instances: tensor-parallel within, a stage on each, or experts
    spread over all; none where the network is slow or unknown.
    """
    if (hardware.network_gbps or 0.0) < MIN_GROUP_NETWORK_GBPS:
        return []
    found = []
    for shards in TENSOR_PARALLEL:
        if shards <= hardware.gpu_count and hardware.gpu_count % shards == 0 and splits_heads(model, shards):
            stages = hardware.gpu_count // shards * instances
            if stages <= model.layers and hardware.gpu_count // shards <= max(PIPELINE_PARALLEL):
                found.append(_candidate(hardware, shards, 1, stages, instances, 1))
    if spreads_experts(model, hardware.gpu_count * instances):
        found.append(_candidate(hardware, 1, hardware.gpu_count * instances, 1, instances, 1))
    return found


def _candidate(
    hardware: Hardware, shards: int, ranks: int, stages: int, instances: int, replicas: int
) -> Candidate:
    return Candidate(
        hardware=hardware, shards=shards, ranks=ranks, stages=stages, instances=instances, replicas=replicas
    )


def link_between(gpu: GpuSpec, gpu_link: str, gpus: int) -> tuple[float, float]:
    """Bytes/s in one direction and latency between GPUs of one instance that work in groups of `gpus`."""
    quoted, over_pcie = gpu.link_gbs_bidirectional, gpu.link.startswith("PCIe")
    if gpu_link == "pcie" and not over_pcie:
        quoted, over_pcie = PCIE4_GBS, True
    elif gpu.link == "NVLink bridge" and gpus > BRIDGED_GPUS:
        quoted, over_pcie = PCIE5_GBS, True
    one_way = quoted / 2 * 1e9
    return (one_way * PCIE_SHARE, PCIE_LATENCY_S) if over_pcie else (one_way, NVLINK_LATENCY_S)


def _rates(candidate: Candidate) -> dict[str, float]:
    """The fields of Layouts for one candidate."""
    hardware = candidate.hardware
    reach, kernel = hardware.efficiency, hardware.physics.reach(hardware.served.kernel)
    link, latency = link_between(hardware.gpu, hardware.gpu_link, candidate.shards * candidate.ranks)
    stage_link, stage_latency = link, latency
    if candidate.instances > 1:
        network = (hardware.network_gbps or 0.0) / 8 * 1e9
        stage_link, stage_latency = network, NETWORK_LATENCY_S
        if candidate.ranks > 1:
            away = (candidate.instances - 1) / candidate.instances
            link = 1.0 / ((1 - away) / link + away * hardware.gpu_count / network)
            latency = NETWORK_LATENCY_S
    return {
        "weight_flops": hardware.served.weight_tflops * 1e12 * reach.compute * kernel,
        "half_flops": hardware.served.half_tflops * 1e12 * reach.compute,
        "memory_bytes_per_s": hardware.gpu.memory_bandwidth_gbs * 1e9 * reach.bandwidth,
        "link_bytes_per_s": link,
        "link_latency_s": latency,
        "stage_bytes_per_s": stage_link,
        "stage_latency_s": stage_latency,
        "shards": candidate.shards,
        "ranks": candidate.ranks,
        "stages": candidate.stages,
        "step_factor": hardware.engine.step_factor,
        "latent_prompt_layer_s": hardware.engine.latent_prompt_layer_us * 1e-6,
        "graph_tokens": hardware.engine.graph_tokens,
    }


def layouts_of(candidates: Sequence[Candidate]) -> Layouts:
    """The candidates, which share their physics, as parallel arrays, in order."""
    table = [_rates(candidate) for candidate in candidates]
    rates = {name: np.array([row[name] for row in table], dtype=np.float64) for name in table[0]}
    pair = np.array([candidate.hardware.pair for candidate in candidates])
    return Layouts(physics=candidates[0].hardware.physics, pair=pair, anchors=(), **rates)
