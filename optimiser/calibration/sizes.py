"""What is measured at which sizes: those of Llama 8B and 70B layers, and of two mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimiser.performance.precision import HALF_PRECISIONS
from optimiser.performance.specs import GpuSpec, ModelSpec

SMALL, LARGE = "llama-3.1-8b", "llama-3.1-70b"
MIXTURES = ("mixtral-8x7b", "qwen3-30b-a3b")
ROUTINGS = ("uniform", "zipf")
MIB = 1 << 20
# Loads at which requests are served, of the highest rate.
LOADS = (0.5, 0.7, 0.85, 0.95)


@dataclass(frozen=True, kw_only=True)
class Service:
    """Requests of so many tokens of prompt and output, `places` at most in flight at once: so many at each load, fewer
    where they would take longer than longest_s to come.
    """

    prompt: int
    output: int
    places: int
    requests: int
    longest_s: float


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Everything that is measured.

    half is the 16-bit format of the GPU, precisions the formats of the products. The layers of `models` give the
    products' outputs and inputs, `rows` their rows; attention has the heads of the same models. Steps have `depths`
    layers of step_model and step_batches sequences, each of which looks back at step_context tokens; mixed are prompt
    tokens beside mixed_sequences. service is served with as many of these depths' layers as fit.
    """

    half: str
    precisions: tuple[str, ...]
    models: tuple[ModelSpec, ...]
    rows: tuple[int, ...]
    read_bytes: tuple[int, ...]
    batches: tuple[int, ...]
    contexts: tuple[int, ...]
    prompts: tuple[int, ...]
    step_model: ModelSpec
    depths: tuple[int, ...]
    step_batches: tuple[int, ...]
    step_context: int
    mixed: tuple[int, ...]
    mixed_sequences: tuple[int, ...]
    mixtures: tuple[ModelSpec, ...]
    mixture_tokens: tuple[int, ...]
    service: Service


def sizes_for(gpu: GpuSpec, models: Mapping[str, ModelSpec], *, quick: bool) -> Sizes:
    """The sizes for a GPU, few of them where it is to be quick; what does not fit is left out as it comes.

    step_batches are among rows and batches, and step_context among contexts: what a layer takes beyond its kernels is
    the difference of points.
    """
    half = next(name for name in HALF_PRECISIONS if name in gpu.dense_tflops)
    small, large = models[SMALL], models[LARGE]
    return Sizes(
        half=half,
        precisions=(half, *(name for name in ("fp8", "int8") if name in gpu.dense_tflops)),
        models=(small,) if quick else (small, large),
        rows=(1, 8, 64, 256, 1024, 4096) if quick else tuple(2**power for power in range(14)),
        read_bytes=tuple(
            size * MIB for size in ((256, 1024, 4096) if quick else (64, 256, 1024, 4096, 16384))
        ),
        batches=(1, 8, 64) if quick else (1, 8, 64, 256, 512),
        contexts=(2048, 8192) if quick else (512, 2048, 8192, 32768),
        prompts=(512, 2048, 8192) if quick else (128, 512, 2048, 8192, 32768),
        step_model=small,
        depths=(1, 2, 4) if quick else (1, 2, 4, 8, 16, 32),
        step_batches=(1, 8, 64) if quick else (1, 8, 64, 256),
        step_context=2048,
        mixed=(512,) if quick else (128, 512, 2048),
        mixed_sequences=(64,) if quick else (8, 64),
        mixtures=() if quick else tuple(models[name] for name in MIXTURES),
        mixture_tokens=(16, 64, 256, 1024, 4096),
        service=Service(
            prompt=512,
            output=128,
            places=64,
            requests=150 if quick else 400,
            longest_s=8.0 if quick else 25.0,
        ),
    )


def layer_products(model: ModelSpec) -> dict[str, tuple[int, int]]:
    """The matrix products of one dense layer by name: (N, K), outputs and inputs per row."""
    heads_width = model.heads * model.head_dim
    return {
        "qkv": (heads_width + 2 * model.kv_heads * model.head_dim, model.hidden),
        "attention_out": (model.hidden, heads_width),
        "gate_up": (2 * model.intermediate, model.hidden),
        "down": (model.hidden, model.intermediate),
    }


def head_product(model: ModelSpec) -> tuple[int, int]:
    """(N, K) of the output head."""
    return model.vocabulary, model.hidden
