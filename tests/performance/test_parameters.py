"""Weights: golden numbers worked by hand, published checkpoint sizes, laws that always hold."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_models import MODELS

from optimiser.errors import UsageError
from optimiser.performance.parameters import (
    BYTES_PER_WEIGHT,
    KV_PRECISIONS,
    WEIGHT_PRECISIONS,
    active_parameter_count,
    attention_parameters_per_layer,
    bytes_per_weight,
    embedding_parameters,
    feed_forward_parameters,
    moe_expert_parameters_per_layer,
    parameter_count,
    parameter_parts,
    precision_bytes,
    weight_bytes,
)

GB = 1e9
GIB = 2**30

LLAMA_70B = MODELS["llama-3.1-70b"]
DEEPSEEK_V3 = MODELS["deepseek-v3"]
GPT_OSS = MODELS["gpt-oss-120b"]

any_model = st.sampled_from(sorted(MODELS))


# Weights by part


def test_grouped_query_attention_of_llama_70b_by_hand():
    # q and o: 8192 × 8192 each; k and v: 8192 × 1024 each.
    assert attention_parameters_per_layer(LLAMA_70B) == 2 * 67_108_864 + 2 * 8_388_608


def test_latent_attention_of_deepseek_v3_by_hand():
    query_down, query_up = 7168 * 1536, 1536 * 128 * 192
    latent, expansion, output = 7168 * 576, 512 * 128 * 256, 128 * 128 * 7168
    by_hand = 11_010_048 + 37_748_736 + 4_128_768 + 16_777_216 + 117_440_512
    assert query_down + query_up + latent + expansion + output == by_hand == 187_105_280
    assert attention_parameters_per_layer(DEEPSEEK_V3) == by_hand


def test_latent_attention_without_a_query_rank_projects_directly():
    # DeepSeek-V2-Lite: query 2048 × 16·192, latent 2048 × 576, expansion 512 × 16·256, output 16·128 × 2048.
    assert attention_parameters_per_layer(MODELS["deepseek-v2-lite"]) == (
        6_291_456 + 1_179_648 + 2_097_152 + 4_194_304
    )


def test_experts_of_one_layer_by_hand():
    assert moe_expert_parameters_per_layer(DEEPSEEK_V3) == 256 * 3 * 7168 * 2048 == 11_274_289_152
    assert moe_expert_parameters_per_layer(LLAMA_70B) == 0


def test_a_feed_forward_block_without_gate_has_two_matrices():
    gated = feed_forward_parameters(LLAMA_70B, 28672)
    ungated = feed_forward_parameters(dataclasses.replace(LLAMA_70B, gated=False), 28672)
    assert (gated, ungated) == (704_643_072, 469_762_048)


def test_tied_embeddings_are_held_once():
    assert embedding_parameters(LLAMA_70B) == 2 * 128_256 * 8192
    assert embedding_parameters(MODELS["llama-3.2-1b"]) == 128_256 * 2048


def test_active_weights_of_gpt_oss_match_its_model_card():
    # arXiv 2508.10925, table 1, counts the output head and not the input embedding: 5.13 B and 3.61 B.
    assert active_parameter_count(GPT_OSS) == pytest.approx(5.13e9, rel=0.002)
    assert active_parameter_count(MODELS["gpt-oss-20b"]) == pytest.approx(3.61e9, rel=0.002)


def test_parts_of_gpt_oss_match_its_model_card():
    # arXiv 2508.10925, table 1: MLP 114.71 B, attention 0.96 B, embedding and unembedding 1.16 B.
    parts = parameter_parts(GPT_OSS)
    assert parts.experts == pytest.approx(114.71e9, rel=0.001)
    assert parts.attention == pytest.approx(0.96e9, rel=0.01)
    assert parts.input_embedding + parts.output_head == pytest.approx(1.16e9, rel=0.01)


def checkpoint_tensors(model):
    """Shapes of a checkpoint's tensors, one by one, as transformers names them (grouped-query models)."""
    h, d = model.hidden, model.head_dim
    yield "embed_tokens", (model.vocabulary, h)
    if not model.tied_embeddings:
        yield "lm_head", (model.vocabulary, h)
    yield "norm", (h,)
    for layer in range(model.layers):
        yield "input_layernorm", (h,)
        yield "post_attention_layernorm", (h,)
        for projection, heads in (("q", model.heads), ("k", model.kv_heads), ("v", model.kv_heads)):
            yield f"{projection}_proj.weight", (heads * d, h)
            if model.attention_bias:
                yield f"{projection}_proj.bias", (heads * d,)
        yield "o_proj.weight", (h, model.heads * d)
        if model.moe is None or layer < model.moe.dense_layers:
            blocks = [model.intermediate]
        else:
            yield "gate.weight", (model.moe.experts, h)
            blocks = [model.moe.intermediate] * model.moe.experts
        for width in blocks:
            yield from (("gate_proj", (width, h)), ("up_proj", (width, h)), ("down_proj", (h, width)))


@pytest.mark.parametrize(
    "name", ["llama-3.2-3b", "qwen2.5-14b", "mixtral-8x22b", "qwen3-30b-a3b", "gemma-3-12b"]
)
def test_count_is_the_sum_over_the_checkpoints_tensors(name):
    tensors = checkpoint_tensors(MODELS[name])
    assert parameter_count(MODELS[name]) == sum(int(np.prod(shape)) for _, shape in tensors)


@given(any_model)
def test_parts_add_up_and_active_is_at_most_all(name):
    model = MODELS[name]
    parts = parameter_parts(model)
    assert sum(dataclasses.astuple(parts)) == parameter_count(model)
    assert active_parameter_count(model) <= parameter_count(model)
    if model.moe is None:
        assert active_parameter_count(model) == parameter_count(model) - parts.input_embedding


# Bytes of weights


def test_weights_of_llama_70b_at_each_precision_by_hand():
    # Linear layers: 80 × (150,994,944 attention + 704,643,072 feed-forward) = 68,451,041,280 weights;
    # the other 2,102,665,216 (embedding, head, norms) stay in 16 bit: 4,205,330,432 bytes.
    linear, rest_bytes = 68_451_041_280, 4_205_330_432
    assert weight_bytes(LLAMA_70B, "bf16") == 2 * 70_553_706_496
    assert weight_bytes(LLAMA_70B, "bf16") == pytest.approx(141.1 * GB, rel=1e-3)
    assert weight_bytes(LLAMA_70B, "fp16") == weight_bytes(LLAMA_70B, "bf16")
    assert weight_bytes(LLAMA_70B, "fp8") == weight_bytes(LLAMA_70B, "int8") == linear + rest_bytes
    assert weight_bytes(LLAMA_70B, "int4") == linear * 66.5 / 128 + rest_bytes
    assert weight_bytes(LLAMA_70B, "fp4") == linear * 17 / 32 + rest_bytes


def test_int4_carries_a_scale_and_a_zero_point_per_128_weights():
    # 128 weights of 4 bit, an fp16 scale, a 4-bit zero point: 64 + 2 + 0.5 bytes.
    assert precision_bytes("int4") * 128 == 66.5


def test_fp4_carries_an_8_bit_scale_per_32_weights():
    assert precision_bytes("fp4") * 32 == 16 + 1


def test_a_checkpoints_own_scales_override_the_standard():
    assert bytes_per_weight(MODELS["deepseek-r1"], "fp4") == 9 / 16
    assert bytes_per_weight(GPT_OSS, "fp4") == 17 / 32
    assert bytes_per_weight(MODELS["deepseek-r1"], "fp8") == 1


@pytest.mark.parametrize(
    ("name", "precision", "published_bytes", "tolerance"),
    [
        ("gpt-oss-120b", "fp4", 60.8 * GIB, 0.003),  # arXiv 2508.10925, table 1
        ("gpt-oss-20b", "fp4", 12.8 * GIB, 0.003),
        ("kimi-k2.5", "int4", 595 * GB, 0.005),  # the repository, with its vision tower
        ("llama-3.1-70b", "int4", 39.77 * GB, 0.003),  # the repository of hugging-quants
    ],
)
def test_weights_match_the_size_of_the_checkpoint(name, precision, published_bytes, tolerance):
    assert weight_bytes(MODELS[name], precision) == pytest.approx(published_bytes, rel=tolerance)


def test_only_the_experts_of_gpt_oss_are_in_4_bit():
    # 36 layers × 128 experts × 3 × 2880² = 114,661,785,600 weights at 17/32 byte; the rest at 2 bytes.
    experts = 114_661_785_600
    rest = parameter_count(GPT_OSS) - experts
    assert weight_bytes(GPT_OSS, "fp4") == experts * 17 / 32 + 2 * rest


def test_metas_fp8_keeps_the_attention_of_405b_in_16_bit():
    # Attention: 126 × (2 × 16384² + 2 × 16384 × 1024) = 71,873,593,344 weights, a byte more each.
    model = MODELS["llama-3.1-405b"]
    all_linear = weight_bytes(dataclasses.replace(model, quantised_parts={}), "fp8")
    assert weight_bytes(model, "fp8") - all_linear == 71_873_593_344


@given(any_model)
def test_fewer_bits_never_weigh_more(name):
    model = dataclasses.replace(MODELS[name], quantised_parts={}, bytes_per_weight={})
    sizes = [weight_bytes(model, precision) for precision in ("bf16", "fp8", "fp4", "int4")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


# Bad input


@pytest.mark.parametrize("precision", ["int3", "BF16", ""])
def test_an_unknown_weight_precision_is_refused_by_name(precision):
    with pytest.raises(UsageError, match=f"unknown weight precision '{precision}'"):
        weight_bytes(LLAMA_70B, precision)


def test_a_near_miss_is_named():
    with pytest.raises(UsageError, match=r"unknown weight precision 'bf-16': did you mean bf16"):
        precision_bytes("bf-16")


def test_an_unknown_part_is_refused_with_the_models_name():
    model = dataclasses.replace(LLAMA_70B, quantised_parts={"fp8": "attention"})
    with pytest.raises(UsageError, match=r"unknown quantised part of llama-3\.1-70b 'attention'"):
        weight_bytes(model, "fp8")


def test_every_precision_has_its_bytes():
    assert set(WEIGHT_PRECISIONS) == set(BYTES_PER_WEIGHT) == {"bf16", "fp16", "fp8", "int8", "int4", "fp4"}
    assert set(KV_PRECISIONS) == {"bf16", "fp16", "fp8", "int8", "fp4"}
