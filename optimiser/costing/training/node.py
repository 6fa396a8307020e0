"""One instance type as training sees it: rates of a GPU, its links, and the network between instances."""

from __future__ import annotations

from dataclasses import dataclass

from optimiser.performance.physics import Fit
from optimiser.performance.setups import link_between
from optimiser.performance.specs import GpuSpec
from providers.shape import GpuLink, InstanceShape

MIB = 2**20
BITS_PER_BYTE = 8
# Driver, NCCL's buffers, and what the caching allocator cannot use of the rest: common experience, not looked up.
RESERVED_BYTES = 2.0 * 2**30
ALLOCATOR_SHARE = 0.94
# Of one direction of a link's or network's quoted bandwidth, what collectives reach beside the products of a step that
# they hide behind: with it the clean runs of `make accuracy TRAINING=…` are met.
LINK_SHARE = 0.7
# Nothing is published of training on instances joined by less than this.
RDMA_GBPS = 400.0


@dataclass(frozen=True, kw_only=True)
class Node:
    """One instance of `gpus` GPUs. Rates are of one GPU: peak_flops the 16-bit data sheet's FLOP/s, product_flops those
    that serving reaches at the job's precision and core_flops in 16 bit, memory_bytes_per_s likewise. usable_bytes is
    what weights, states and activations may take of a GPU.

    link_bytes_per_s joins GPUs of the instance (one direction, as collectives reach it); network_bytes_per_s is the
    whole instance's (one direction), 0 where it is not known. estimated says whether its GPU was measured serving
    and its links are not PCIe, rdma whether its network is of the kind that published runs used between several.
    """

    gpu: GpuSpec
    gpus: int
    peak_flops: float
    product_flops: float
    core_flops: float
    memory_bytes_per_s: float
    usable_bytes: float
    link_bytes_per_s: float
    network_bytes_per_s: float
    estimated: bool
    rdma: bool


def node_of(shape: InstanceShape, gpu: GpuSpec, fit: Fit, precision: str) -> Node | str:
    """The instance at a precision, or why it cannot train at it."""
    missing = [name for name in ("bf16", precision) if name not in gpu.dense_tflops]
    if missing:
        return f"no {missing[0]}"
    efficiency = fit.efficiency_of(gpu)
    flops = {name: tflops * 1e12 * efficiency.compute for name, tflops in gpu.dense_tflops.items()}
    link, _ = link_between(gpu, shape.gpu_link.value, shape.gpu_count)
    network = shape.network_gbps or 0.0
    return Node(
        gpu=gpu,
        gpus=shape.gpu_count,
        peak_flops=gpu.dense_tflops["bf16"] * 1e12,
        product_flops=flops[precision],
        core_flops=flops["bf16"],
        memory_bytes_per_s=gpu.memory_bandwidth_gbs * 1e9 * efficiency.bandwidth,
        usable_bytes=(gpu.usable_mib * MIB - RESERVED_BYTES) * ALLOCATOR_SHARE,
        link_bytes_per_s=link * LINK_SHARE,
        network_bytes_per_s=network * 1e9 / BITS_PER_BYTE * LINK_SHARE,
        estimated=efficiency.fitted and gpu.measured and shape.gpu_link is not GpuLink.PCIE,
        rdma=network >= RDMA_GBPS,
    )
