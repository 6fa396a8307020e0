"""What was fitted to measurements: constants that hold for every GPU and model, engines, GPU generations.

All of it stands in config/performance.yaml, as `make fit` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from optimiser.performance.specs import Calibrated, Efficiency, GpuSpec


class Kernel(StrEnum):
    """How a GPU multiplies with the quantised weights of a checkpoint.

    PLAIN: in the tensor cores' own format, scaled per tensor or channel, and 16 bit. BLOCK_SCALED: 8 bit with
    a scale per block of weights, and activations that are quantised by block before each product.
    UNPACKED: a narrower format that becomes 16 bit in the kernel, for want of tensor cores or of activations as
    narrow. UNPACKED_EXPERTS: the same in models whose weights are routed experts for the most part.
    """

    PLAIN = "plain"
    BLOCK_SCALED = "block_scaled"
    UNPACKED = "unpacked"
    UNPACKED_EXPERTS = "unpacked_experts"


# Dense products of 4-bit weights reach 0.91 to 1.08 of the 16-bit rate from 256 rows on (TensorRT-LLM on A100, operator
# table of aiconfigurator-core 0.12.0, 8192 × 8192 and 10240 × 8192); with few rows they only read less.
UNPACKED_DENSE_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Physics:
    """The fitted constants of optimiser/performance/timing.py and at_load.py.

    saturation_rows, fill_rows: a 16-bit GEMM of M rows reaches M / (M + saturation_rows + fill_rows) of its large-batch
    rate. The former are rows that tiles are padded with, computed in the weights' format; the latter is what a kernel
    takes to fill and drain, as long in every format.
    tile_depth: likewise a tile of results takes as long to begin and to write as so many of the products that each of
    its results sums up would in 16 bit (about four stages of 64 that a kernel loads ahead): short sums lose more.
    grouped_share: what a grouped GEMM of routed experts reaches of a dense one's rate (uneven routing, padding).
    block_scaled_share, unpacked_share: what those kernels reach of the plain one's rate, the latter with routed
    experts alone (all that was measured).
    routing_spread: how many independent choices of experts each further token of a batch stands for; tokens
    served together choose alike, so a batch touches fewer experts than even routing would.
    activation_passes: reads and writes of activations per token and layer, in units of the hidden size.
    layer_overhead_us: launches and synchronisation per layer; moe_, latent_ and block_scaled_layer_overhead_us
    are added in layers with routed experts, with latent attention, and with weights in scaled blocks.
    sequence_overhead_us: scheduling, sampling and streaming on the host, per sequence and step.
    pipeline_loss: what each further pipeline stage costs, since stages of unequal load wait for each other.
    link_share: of one direction of a link's quoted bandwidth, what collectives and hand-overs reach.
    prompt_layer_us: how long the host takes to launch a layer of a step with prompt tokens, kernel by kernel, where
    a step that only decodes replays a CUDA graph.
    engine_first_token_ms: from a prompt's arrival in the engine to its first step, and out again.
    request_overhead_ms: HTTP, tokenising and streaming outside the engine, from a client's point of view.
    """

    saturation_rows: float
    fill_rows: float
    tile_depth: float
    grouped_share: float
    block_scaled_share: float
    unpacked_share: float
    routing_spread: float
    activation_passes: float
    layer_overhead_us: float
    moe_layer_overhead_us: float
    latent_layer_overhead_us: float
    block_scaled_layer_overhead_us: float
    sequence_overhead_us: float
    pipeline_loss: float
    link_share: float
    prompt_layer_us: float
    engine_first_token_ms: float
    request_overhead_ms: float

    @property
    def first_token_overhead_ms(self) -> float:
        """What every first token waits for besides steps, from a client's point of view."""
        return self.engine_first_token_ms + self.request_overhead_ms

    def reach(self, kernel: Kernel) -> float:
        """What a kernel reaches of the plain one's rate."""
        shares = {
            Kernel.BLOCK_SCALED: self.block_scaled_share,
            Kernel.UNPACKED: UNPACKED_DENSE_SHARE,
            Kernel.UNPACKED_EXPERTS: self.unpacked_share,
        }
        return shares.get(kernel, 1.0)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A serving engine: how long its steps take against TensorRT-LLM's, and how it divides GPU memory.

    latent_prompt_layer_us is what Physics.prompt_layer_us is, in models with latent attention (DeepSeek), whose
    prompts each engine puts together from many kernels of its own. A step of at most graph_tokens tokens replays a CUDA
    graph though prompt tokens are among them, so that its launches cost none of that.
    memory_share is of the whole GPU (vLLM's gpu_memory_utilization, SGLang's mem_fraction_static), or with
    of_free_memory of what weights and working memory leave (TensorRT-LLM's free_gpu_memory_fraction).
    versions are those measured, "" where none was and step_factor is an assumption. not_on names GPU generations that
    it does not run on; without, by precision of weights, those on which it has no kernels for it; kv_without, by that
    of the KV cache, those on which it has none. kv_since is the first release known to have one of
    those, where that is later than those measured.
    """

    name: str
    step_factor: float
    latent_prompt_layer_us: float
    memory_share: float
    of_free_memory: bool
    versions: str
    source: str
    graph_tokens: float = 0.0
    not_on: tuple[str, ...] = ()
    without: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kv_without: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kv_since: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The engine with the versions it was measured in."""
        return f"{self.name} {self.versions}" if self.versions else f"{self.name} (not measured)"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Everything fitted: constants, engines by name, GPU generations by name; calibrated GPUs by name.

    record is what `make fit` wrote of itself: date, figures, sources, sha256 of the table and, by set, the median
    and 90th percentile of the error here, with the model left out and with the generation left out; under `engines` the
    same of engines whose pace is from a further table.
    """

    physics: Physics
    engines: dict[str, Engine] = field(default_factory=dict)
    generations: dict[str, Efficiency] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    gpus: dict[str, Calibrated] = field(default_factory=dict)

    def efficiency_of(self, gpu: GpuSpec) -> Efficiency:
        """Its generation's, with the GPU's own shares where it was calibrated."""
        generation, own = self.generations[gpu.generation], self.gpus.get(gpu.name)
        return replace(generation, compute=own.compute, bandwidth=own.bandwidth) if own else generation
