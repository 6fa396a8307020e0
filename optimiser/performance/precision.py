"""Which number formats a GPU can serve a checkpoint in, and at which of its rates it then computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from optimiser.errors import UsageError, did_you_mean
from optimiser.performance.model_work import is_block_scaled
from optimiser.performance.parameters import KV_PRECISIONS, WEIGHT_PRECISIONS
from optimiser.performance.physics import Engine, Kernel
from optimiser.performance.specs import GpuSpec, ModelSpec

HALF_PRECISIONS = ("bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A precision as one GPU serves it: weight_tflops is the dense rate for quantised weights, half_tflops
    for 16 bit, kernel how the quantised ones are multiplied; notes say what differs from what was asked.

    converted_cache: an fp8 KV cache is converted to 16 bit as it is read, for want of tensor cores for it. cache_notes
    say what to check of the engine, where it has the cache in some releases or for some models alone.
    """

    weight_precision: str
    kv_precision: str
    weight_tflops: float
    half_tflops: float
    kernel: Kernel = Kernel.PLAIN
    notes: tuple[str, ...] = ()
    converted_cache: bool = False
    cache_notes: tuple[str, ...] = ()

    @property
    def cache_measured(self) -> bool:
        """Whether published figures have the KV cache so: all have 16 bit, or fp8 on GPUs with tensor cores for it."""
        return self.kv_precision not in ("int8", "fp4") and not self.converted_cache


def check_precisions(weight_precision: str | None, kv_precision: str | None) -> None:
    """Raises UsageError for a precision that does not exist; None is one that was not asked for."""
    for value, known, what in (
        (weight_precision, WEIGHT_PRECISIONS, "weight_precision"),
        (kv_precision, KV_PRECISIONS, "kv_precision"),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{what} = {value!r}: no such precision; {did_you_mean(value, known)}")


def served_by(
    engine: Engine, gpu: GpuSpec, model: ModelSpec, weight_precision: str, kv_precision: str | None
) -> Served | str:
    """What served_on says, less what the engine lacks on GPUs of that generation."""
    lacking = engine.without.get(weight_precision)
    if lacking and gpu.generation in lacking and not in_half(model, weight_precision):
        return f"{engine.name} has no kernels for {weight_precision} weights on {gpu.generation}"
    if kv_precision is not None and gpu.generation in engine.kv_without.get(kv_precision, ()):
        return f"{engine.name} has no KV cache in {kv_precision} on {gpu.generation}"
    served = served_on(gpu, model, weight_precision, kv_precision)
    if isinstance(served, str) or served.kv_precision not in engine.kv_since:
        return served
    since = engine.kv_since[served.kv_precision]
    note = f"{engine.name} is known to have a KV cache in {served.kv_precision} from {since} on: check your release"
    return replace(served, cache_notes=(*served.cache_notes, note))


def served_on(
    gpu: GpuSpec, model: ModelSpec, weight_precision: str, kv_precision: str | None
) -> Served | str:
    """How `gpu` serves the model at the precisions, or in plain words why it cannot.

    16-bit checkpoints are served in the 16-bit format that the GPU has; int4, and int8 where a checkpoint holds weights
    alone (computed_in), are unpacked and computed in 16 bit on any GPU, fp8 weights alone on those with bf16; int8
    otherwise is of weights and activations and needs tensor cores for it; fp4 is computed in fp4, or what the model's
    checkpoint is computed in, where there are tensor cores for fp4, and fp8 in fp8 likewise, else both are unpacked to
    16 bit (Marlin kernels, which need Ampere or newer, taken to be GPUs with bf16). The KV cache defaults to the 16-bit
    format; a narrower one needs tensor cores for its format, fp8 such as kernels convert it for (_cache). What an
    engine lacks besides is in its own record (served_by).
    """
    rates = gpu.dense_tflops
    half = next((name for name in HALF_PRECISIONS if name in rates), None)
    if half is None:
        return f"{gpu.name} has no 16-bit tensor cores"
    weights = _weights(gpu, model, half, weight_precision)
    if isinstance(weights, str):
        return weights
    weight, weight_tflops, notes = weights
    cache = _cache(gpu, model, half, kv_precision)
    if isinstance(cache, str):
        return cache
    kv, cache_notes = cache
    return Served(
        weight_precision=weight,
        kv_precision=kv,
        weight_tflops=weight_tflops,
        half_tflops=rates[half],
        kernel=_kernel(model, weight, weight_tflops == rates[half]),
        notes=tuple(notes),
        converted_cache=_converts_cache(gpu, kv),
        cache_notes=cache_notes,
    )


def _weights(gpu: GpuSpec, model: ModelSpec, half: str, asked: str) -> tuple[str, float, list[str]] | str:
    """The precision weights are served in, the rate they are computed at and what to say of it, or why not."""
    rates = gpu.dense_tflops
    if asked in HALF_PRECISIONS:
        if asked in rates:
            return asked, rates[asked], []
        return half, rates[half], [f"{gpu.name} has no {asked}: served in {half}, check for overflow"]
    if asked == "int4" or (in_half(model, asked) and (asked == "int8" or "bf16" in rates)):
        return asked, rates[half], []
    if asked in rates:
        return asked, rates[model.computed_in.get(asked, asked)], []
    if asked == "int8":
        return f"int8 weights and activations need int8 tensor cores; {gpu.name} has none"
    if "bf16" in rates:
        return (
            asked,
            rates[half],
            [f"{gpu.name} has no {asked} tensor cores: {asked} weights are computed in 16 bit"],
        )
    return f"{asked} weights need Ampere or newer, which {gpu.name} is not"


def in_half(model: ModelSpec, precision: str) -> bool:
    """Whether the model's checkpoint at that precision holds weights alone, which kernels unpack to 16 bit."""
    return model.computed_in.get(precision) in HALF_PRECISIONS


def _kernel(model: ModelSpec, weight_precision: str, at_half_rate: bool) -> Kernel:
    if at_half_rate and weight_precision not in HALF_PRECISIONS:
        return Kernel.UNPACKED_EXPERTS if model.moe else Kernel.UNPACKED
    return Kernel.BLOCK_SCALED if is_block_scaled(model, weight_precision) else Kernel.PLAIN


def _cache(gpu: GpuSpec, model: ModelSpec, half: str, asked: str | None) -> tuple[str, tuple[str, ...]] | str:
    """The precision the KV cache is held in and what to check of it, or why no engine has it (config/README.md)."""
    rates = gpu.dense_tflops
    if asked is None or asked in HALF_PRECISIONS:
        return (asked if asked in rates else half), ()
    if asked == "int8" and model.mla:
        return "no engine has a KV cache in int8 for latent attention"
    if not _converts_cache(gpu, asked):
        if asked not in rates:
            return f"a KV cache in {asked} needs {asked} tensor cores; {gpu.name} has none"
        said = "a KV cache in fp4 is taken to be NVFP4: check that the engine has it for this model"
        return asked, (said,) if asked == "fp4" else ()
    if "bf16" not in rates:
        return f"a KV cache in fp8 needs Ampere or newer, which {gpu.name} is not"
    if model.mla:
        return f"a KV cache in fp8 needs fp8 tensor cores in latent attention; {gpu.name} has none"
    return asked, (
        f"{gpu.name} has no fp8 tensor cores: the KV cache is held in fp8 and computed in 16 bit, which few attention "
        "back ends do (FlashInfer does): check that the model runs on one",
    )


def _converts_cache(gpu: GpuSpec, kv_precision: str) -> bool:
    return kv_precision == "fp8" and "fp8" not in gpu.dense_tflops
