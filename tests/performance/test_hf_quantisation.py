"""Reading config.json: the precision of the checkpoint, and what of it stays in 16 bit."""

import json
from typing import Any

import pytest
from true_configs import DEEPSEEK_V3, GPT_OSS, GROUP, LLAMA, changed, read


@pytest.mark.parametrize(
    ("quantisation", "precision", "bytes_per_weight"),
    [
        ({"quant_method": "fp8"}, "fp8", None),
        ({"quant_method": "fbgemm_fp8"}, "fp8", None),
        ({"quant_method": "mxfp4"}, "fp4", None),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "int8", None),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4", None),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "int4", 0.5 + 2.5 / 32),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "int4", 0.5),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 128}, "int4", None),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4", None),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8", None),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": GROUP}}, "int4", 0.5625),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
            None,
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "fp4", 0.5625),
        ({"quant_algo": "FP8"}, "fp8", None),
    ],
)
def test_quantisation(tmp_path, quantisation, precision, bytes_per_weight):
    model = read(tmp_path, changed(LLAMA, quantization_config=quantisation))
    assert model.default_precision == precision
    assert model.bytes_per_weight == ({} if bytes_per_weight is None else {precision: bytes_per_weight})
    assert model.quantised_parts == {}


def in_groups(activations: object, kind: str = "int") -> dict[str, Any]:
    group = {"weights": {"num_bits": 8, "type": kind}, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


@pytest.mark.parametrize(
    ("quantisation", "computed_in"),
    [
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, {"int8": "bf16"}),
        (in_groups(None), {"int8": "bf16"}),
        (in_groups({"num_bits": 8, "type": "int", "dynamic": True}), {}),
        (in_groups(None, "float"), {"fp8": "bf16"}),
        (in_groups({"num_bits": 8, "type": "float", "dynamic": True}, "float"), {}),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, {}),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, {}),
        ({"quant_method": "fp8"}, {}),
        ({"quant_method": "mxfp4"}, {"fp4": "fp8"}),
    ],
)
def test_8_bit_weights_alone_are_computed_in_16_bit(tmp_path, quantisation, computed_in):
    assert read(tmp_path, changed(LLAMA, quantization_config=quantisation)).computed_in == computed_in


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [("bfloat16", "bf16"), ("float16", "fp16"), ("float32", "bf16"), (None, "bf16")],
)
def test_a_plain_checkpoint_is_in_its_dtype(tmp_path, dtype, precision):
    assert read(tmp_path, changed(LLAMA, torch_dtype=dtype)).default_precision == precision
    assert read(tmp_path, changed(LLAMA, torch_dtype=..., dtype=dtype)).default_precision == precision


def test_quantisation_beside_the_config_is_read(tmp_path):
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside), encoding="utf-8")
    assert read(tmp_path, LLAMA).default_precision == "fp4"


def kept(*modules: str) -> dict[str, Any]:
    return {"quant_method": "fp8", "modules_to_not_convert": ["lm_head", *modules]}


@pytest.mark.parametrize(
    ("config", "quantisation", "parts"),
    [
        (GPT_OSS, kept("model.layers.*.self_attn"), {"fp8": "experts"}),
        (DEEPSEEK_V3, kept("re:.*self_attn.*"), {"fp8": "feed_forward"}),
        (DEEPSEEK_V3, kept("re:.*self_attn.*", "re:.*shared_experts.*"), {"fp8": "experts"}),
        (LLAMA, kept(*[f"model.layers.{i}.self_attn.q_proj" for i in range(80)]), {"fp8": "feed_forward"}),
        (LLAMA, kept("model.layers.0.self_attn.q_proj", "model.layers.79.mlp.up_proj"), {}),
        (LLAMA, kept(*[f"model.layers.{i}.post_attention_layernorm" for i in range(80)]), {}),
    ],
)
def test_what_stays_in_16_bit_follows_the_list_of_modules(tmp_path, config, quantisation, parts):
    assert read(tmp_path, changed(config, quantization_config=quantisation)).quantised_parts == parts
