"""GPUs and models as the estimates see them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class GpuSpec:
    """One accelerator, as reviewed in config/gpus.yaml.

    dense_tflops maps a compute dtype ("bf16", "fp16", "fp8", "int8", "fp4") to dense (not sparse) TFLOPS
    (TOPS for int8); a dtype that is absent has no tensor-core path. memory_gb is the marketing size in GB,
    usable_mib what the driver reports for one GPU. link_gbs_bidirectional is the GPU-to-GPU bandwidth of one
    GPU in GB/s, both directions summed, as NVIDIA quotes NVLink. measured is False where no public serving
    measurement of this very GPU is known, only of its generation.
    """

    name: str
    vendor: str
    generation: str
    memory_gb: float
    usable_mib: int
    memory_bandwidth_gbs: float
    dense_tflops: dict[str, float]
    link: str
    link_gbs_bidirectional: float
    tdp_w: float
    confidence: str
    source: str
    checked: str
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Fitted share of the peak that a GPU generation reaches, and how wrong estimates on it are.

    compute and bandwidth multiply the peak TFLOPS and GB/s; relative_error is the median absolute relative
    error of estimated throughput on that generation (0.13 is 13 %); fitted is False where no measurement of
    that generation exists and the error is a stated assumption. split_over_pcie_measured says whether the
    measurements include models split over GPUs that PCIe alone joins. moe_step_factor is how many times as long
    steps of mixtures of experts take as all else would have it: 1 but where published results, which nothing was
    fitted to, say so.
    """

    generation: str
    compute: float
    bandwidth: float
    relative_error: float
    fitted: bool
    source: str
    split_over_pcie_measured: bool = False
    moe_step_factor: float = 1.0

    def step_factor(self, engine_step_factor: float, experts: bool) -> float:
        """How long steps take of an engine that elsewhere takes engine_step_factor, of mixtures of experts or not."""
        return engine_step_factor * (self.moe_step_factor if experts else 1.0)


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The shares of its peaks that one GPU reaches, as `optimiser calibrate --write` puts them in the place of its
    generation's. How wrong estimates are stays the generation's: kernels tell nothing of that.

    measured_on is a date, driver the GPU's; basis says in words how the shares follow from what was measured.
    """

    gpu: str
    compute: float
    bandwidth: float
    measured_on: str
    driver: str
    basis: str

    @property
    def told(self) -> str:
        """Where the shares are from, for whoever reads an estimate."""
        driver = f"driver {self.driver}" if self.driver else "driver not known"
        return f"calibrated on {self.gpu}, {self.measured_on}, {driver}: {self.basis}"


@dataclass(frozen=True, kw_only=True)
class MlaSpec:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): ranks and head widths, in elements."""

    kv_rank: int
    rope_head_dim: int
    nope_head_dim: int
    value_head_dim: int
    query_rank: int | None


@dataclass(frozen=True, kw_only=True)
class MoeSpec:
    """Routed experts: `experts` per MoE layer of which `active` per token, each `intermediate` wide, plus
    always-on shared experts of `shared_intermediate` in total width; dense_layers of the layers are dense.
    """

    experts: int
    active: int
    intermediate: int
    shared_intermediate: int = 0
    dense_layers: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One LLM architecture, as its Hugging Face config.json gives it.

    published maps a weight precision ("bf16", "fp8", "int4", "fp4", …) to where that checkpoint is published;
    default_precision is the one the authors released the model in. sliding_window is in tokens and holds in
    sliding_layers of the layers (0 where attention is full). gated is True for SwiGLU-like feed-forward
    blocks (three matrices), False for two. parameters_published is the authors' total, to check the sums.
    With mla, head_dim is the width of a query head (nope + rope). max_context is in tokens, the longest the
    authors support. quantised_parts maps a precision to the weights that its published checkpoint quantises:
    "linear" (every linear layer; so where absent), "feed_forward" or "experts" (the routed experts alone).
    bytes_per_weight overrides parameters.BYTES_PER_WEIGHT where a checkpoint's scales take more room.
    scale_block is how many weights in a row share a scale, by precision, where they are scaled by block ("fp8":
    128) rather than by tensor or channel. computed_in names the format that a precision is multiplied in
    where activations are wider than the weights ("fp4": "fp8" for MXFP4 checkpoints, "int8": "bf16" for those that hold
    8-bit weights alone, such as GPTQ's).
    """

    name: str
    hf_id: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    max_context: int
    tied_embeddings: bool
    gated: bool = True
    attention_bias: bool = False
    moe: MoeSpec | None = None
    mla: MlaSpec | None = None
    sliding_window: int | None = None
    sliding_layers: int = 0
    default_precision: str = "bf16"
    published: dict[str, str] = field(default_factory=dict)
    quantised_parts: dict[str, str] = field(default_factory=dict)
    bytes_per_weight: dict[str, float] = field(default_factory=dict)
    scale_block: dict[str, int] = field(default_factory=dict)
    computed_in: dict[str, str] = field(default_factory=dict)
    parameters_published: float | None = None
    active_parameters_published: float | None = None
    source: str = ""
    checked: str = ""
