"""What aiconfigurator-core is asked of, without it: which set-ups, which models, in which words."""

import json
from dataclasses import replace
from typing import Any

import pytest
from silicon_cases import shape, shipped

from optimiser.performance.estimate import hardware_of
from optimiser.performance.setups import Candidate, Hardware
from optimiser.performance.trial import question_of
from optimiser.silicon.coverage import SYSTEMS, Asked, asked_of, config_of
from optimiser.workload import SizeBucket
from providers.shape import GpuLink


def candidate(
    model: str = "llama-3.1-8b",
    gpu: str = "H100",
    precision: str | None = None,
    engine: str = "trtllm",
    link: GpuLink = GpuLink.NVLINK,
    **layout: int,
) -> Candidate:
    config = shipped()
    size = SizeBucket(prompt_tokens=1000, output_tokens=100, share=1.0)
    question = question_of(config.models[model], [size], None, [(precision, None)])
    hardware = hardware_of(shape(gpu, 8, link), config.gpus, config.fit, config.fit.engines[engine], question)
    assert isinstance(hardware, Hardware), hardware
    return Candidate(
        hardware=hardware, **{"shards": 1, "ranks": 1, "stages": 1, "instances": 1, "replicas": 1} | layout
    )


def asked(model: str = "llama-3.1-8b", **changes: Any) -> Asked:
    found = asked_of(shipped().models[model], candidate(model, **changes))
    assert isinstance(found, Asked), found
    return found


def refusal(model: str = "llama-3.1-8b", **changes: Any) -> str:
    found = asked_of(shipped().models[model], candidate(model, **changes))
    assert isinstance(found, str), found
    return found


def test_every_system_is_a_gpu_that_is_known() -> None:
    assert SYSTEMS.keys() <= shipped().gpus.keys()


def test_cards_with_an_ideal_roofline_alone_are_not_covered() -> None:
    # systems/l4.yaml, h100_pcie.yaml and a100_pcie.yaml have no data behind them; nothing is there of the others.
    for gpu in ("L4", "H100-NVL", "A100-80GB-PCIe", "A10G"):
        assert refusal(gpu=gpu, link=GpuLink.PCIE) == f"it has no measurements on {gpu}"


def test_l40s_is_covered_one_gpu_at_a_time() -> None:
    assert asked(gpu="L40S", link=GpuLink.PCIE).system == "l40s"
    assert "split over L40S" in refusal(gpu="L40S", link=GpuLink.PCIE, shards=2)
    assert "split over L40S" in refusal(gpu="L40S", link=GpuLink.PCIE, stages=2)


def test_gpus_joined_otherwise_than_in_its_measurements_are_not_covered() -> None:
    assert "joined by NVLink" in refusal(gpu="H100", link=GpuLink.PCIE, shards=2)
    assert asked(gpu="H100", link=GpuLink.PCIE).shards == 1
    assert asked(gpu="RTX-PRO-6000", link=GpuLink.PCIE, shards=2).shards == 2


def test_a_replica_over_several_instances_is_not_covered() -> None:
    assert "several instances" in refusal(instances=2)


@pytest.mark.parametrize(
    ("model", "gpu", "precision", "modes"),
    [
        ("llama-3.1-8b", "H100", "bf16", ("bfloat16", "bfloat16")),
        ("llama-3.1-8b", "H100", "fp8", ("fp8_static", "bfloat16")),
        ("qwen3-32b", "H100", "fp8", ("fp8_block", "bfloat16")),
        ("mixtral-8x7b", "H100", "fp8", ("fp8_static", "fp8")),
        ("deepseek-r1", "B200", "fp4", ("bfloat16", "nvfp4")),
        ("llama-3.3-70b", "B200", "fp4", ("nvfp4", "bfloat16")),
        ("gpt-oss-120b", "B200", "fp4", ("bfloat16", "w4a8_mxfp4_mxfp8")),
        ("gpt-oss-120b", "H100", "fp4", ("bfloat16", "w4a16_mxfp4")),
        ("llama-3.1-8b", "A100-80GB", "int8", ("sq", "bfloat16")),
        ("qwen2.5-72b", "A100-80GB", "int8", ("int8_wo", "bfloat16")),
    ],
)
def test_number_formats_have_its_names(model: str, gpu: str, precision: str, modes: tuple[str, str]) -> None:
    found = asked(model, gpu=gpu, precision=precision)
    assert (found.dense_mode, found.expert_mode) == modes


def test_experts_are_divided_as_wide_as_attention() -> None:
    sliced = asked("mixtral-8x7b", shards=4)
    spread = asked("deepseek-r1", gpu="H200", ranks=8)
    for found in (sliced, spread):
        assert {a * b for a, b in found.expert_splits} == {found.shards * found.ranks}
    assert spread.expert_splits == ((1, 8),)


def test_block_scaled_weights_of_vllm_are_not_covered() -> None:
    assert "block-scaled" in refusal("qwen3-32b", precision="fp8", engine="vllm")
    assert asked("qwen3-32b", precision="fp8", engine="trtllm").engine == "trtllm"


@pytest.mark.parametrize(
    ("model", "architecture"),
    [
        ("llama-3.1-70b", "LlamaForCausalLM"),
        ("qwen3-30b-a3b", "Qwen3MoeForCausalLM"),
        ("kimi-k2", "DeepseekV3ForCausalLM"),
        ("gpt-oss-20b", "GptOssForCausalLM"),
    ],
)
def test_a_model_is_described_as_its_family(model: str, architecture: str) -> None:
    spec = shipped().models[model]
    config = json.loads(asked(model, gpu="B200").config_json)
    assert config["architectures"] == [architecture]
    widths = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size")
    assert [config[name] for name in widths] == [
        spec.layers, spec.hidden, spec.heads, spec.kv_heads, spec.vocabulary,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "word"),
    [("gemma-3-27b", "sliding window"), ("deepseek-v2-lite", "latent attention"), ("deepseek-v2", "latent")],
)
def test_families_that_it_computes_otherwise_are_not_covered(model: str, word: str) -> None:
    found = config_of(shipped().models[model])
    assert isinstance(found, str)
    assert word in found


def test_ungated_blocks_and_partly_quantised_dense_models_are_not_covered() -> None:
    spec = shipped().models["llama-3.1-8b"]
    assert "gated" in str(config_of(replace(spec, gated=False)))
    assert "feed-forward blocks alone" in refusal("llama-3.1-405b", precision="fp8")


def test_fp8_weights_alone_are_not_covered() -> None:
    alone = replace(shipped().models["llama-3.1-8b"], computed_in={"fp8": "bf16"})
    said = asked_of(alone, candidate(precision="fp8"))
    assert said == "it has no products of 8-bit floats with 16-bit activations"
