"""What benchmarks call GPUs, engines, precisions and models, and what the optimiser calls them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from optimiser.errors import UsageError, bad_value
from optimiser.performance.parameters import WEIGHT_PRECISIONS
from optimiser.performance.specs import ModelSpec

# As nvidia-smi names them, without "NVIDIA "; names that are the catalogue's own need no line.
_GPUS = {
    "h100 80gb hbm3": "H100",
    "h100 nvl": "H100-NVL",
    "a100-sxm4-80gb": "A100-80GB",
    "a100-sxm4-40gb": "A100-40GB",
    "a100 80gb pcie": "A100-80GB-PCIe",
    "tesla t4": "T4",
    "tesla v100-sxm2-16gb": "V100",
    "tesla v100-sxm2-32gb": "V100-32GB",
    "tesla v100-pcie-16gb": "V100-PCIe",
    "rtx pro 6000 blackwell server edition": "RTX-PRO-6000",
}
_ENGINES = {"tensorrt": "trtllm", "trtllm": "trtllm", "vllm": "vllm", "sglang": "sglang"}
# Dtypes, and quantisation algorithms of TensorRT-LLM (QuantAlgo in tensorrt_llm/quantization/mode.py) by what they keep
# weights in. MIXED_PRECISION keeps some layers in one and some in another.
_PRECISIONS = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "fp8": "fp8",
    "fp8_block_scales": "fp8",
    "fp8_pb_wo": "fp8",
    "fp8_per_channel_per_token": "fp8",
    "mxfp8": "fp8",
    "w8a16": "int8",
    "w8a16_gptq": "int8",
    "w8a8_sq_per_channel": "int8",
    "w8a8_sq_per_tensor_plugin": "int8",
    "w8a8_sq_per_channel_per_token_plugin": "int8",
    "w8a8_sq_per_channel_per_tensor_plugin": "int8",
    "w8a8_sq_per_tensor_per_token_plugin": "int8",
    "w4a16_awq": "int4",
    "w4a16_gptq": "int4",
    "w4a16": "int4",
    "w4a8_awq": "int4",
    "w4a8_qserve_per_group": "int4",
    "w4a8_qserve_per_channel": "int4",
    "nvfp4": "fp4",
    "w4a8_nvfp4_fp8": "fp4",
    "w4a16_mxfp4": "fp4",
    "w4a8_mxfp4_fp8": "fp4",
    "w4a8_mxfp4_mxfp8": "fp4",
}
# Words of a checkpoint's name that tell what its weights are in.
_IN_NAMES = {"fp8": "fp8", "fp4": "fp4", "nvfp4": "fp4", "mxfp4": "fp4", "int8": "int8", "int4": "int4"} | {
    "w4a16": "int4",
    "awq": "int4",
}


def gpu_named(name: str, known: Iterable[str]) -> str:
    """The catalogue's name for a GPU as a driver names it, "" where it has none."""
    bare = name.lower().removeprefix("nvidia ")
    found = {gpu.lower(): gpu for gpu in known} | _GPUS
    return found.get(bare, "")


def own_gpu(device: str, asked: str | None, known: Collection[str]) -> str:
    """The catalogue's name for a whole GPU as its driver names it, else the one that was asked for by --gpu.

    Raises UsageError for a slice of a GPU, for one without either name and for two names that differ.
    """
    if " MIG " in device:
        raise UsageError(f"{device}: is a slice of a GPU: shares of its peaks are those of a whole one")
    told = gpu_named(device, known)
    if not told and asked is None:
        raise UsageError(
            f"{device}: no such GPU in gpus.yaml, where there are {', '.join(sorted(known))}: "
            "name the one it is by --gpu NAME, or add it"
        )
    if told and asked not in (None, told):
        raise bad_value("--gpu", "name", asked, f"the GPU of this machine is {device}, which is {told}")
    return asked or told


def engine_named(name: str) -> str:
    """The engine as config/performance.yaml names it, "" for what names none."""
    return next((engine for start, engine in _ENGINES.items() if name.lower().startswith(start)), "")


def precision_named(name: str) -> str:
    """A precision as workloads name it, "" for what names none."""
    bare = name.lower().removeprefix("quantalgo.").removeprefix("torch.")
    return bare if bare in WEIGHT_PRECISIONS else _PRECISIONS.get(bare, "")


def precision_in_name(name: str) -> str:
    """The precision that a checkpoint's name says its weights are in ("…-FP8"), "" where it says none."""
    words = re.split(r"[^a-z0-9]+", _bare(name))
    return next((_IN_NAMES[word] for word in words if word in _IN_NAMES), "")


def checkpoint_named(name: str, models: Mapping[str, ModelSpec]) -> tuple[ModelSpec, str] | None:
    """The model of a checkpoint and the precision it is in, by its Hugging Face id with or without organisation.

    A model's own name in the catalogue says nothing of the precision: "".
    """
    if name in models:
        return models[name], ""
    wanted = _bare(name)
    for model in models.values():
        for precision, repository in {model.default_precision: model.hf_id, **model.published}.items():
            if _bare(repository) == wanted:
                return model, precision
    return None


def _bare(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1].lower()
