"""KV cache: golden numbers worked by hand, and laws that hold for every model and context."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_models import MODELS

from optimiser.errors import UsageError
from optimiser.performance.parameters import (
    KV_PRECISIONS,
    WEIGHT_PRECISIONS,
    kv_bytes_for_context,
    kv_bytes_per_token,
)
from optimiser.performance.specs import ModelSpec

LLAMA_70B = MODELS["llama-3.1-70b"]
DEEPSEEK_V2 = MODELS["deepseek-v2"]
DEEPSEEK_V3 = MODELS["deepseek-v3"]
GPT_OSS = MODELS["gpt-oss-120b"]

# DeepSeek LLM 67B (arXiv 2401.02954, table 2), the model that the V2 paper compares its KV cache with.
DEEPSEEK_67B = ModelSpec(
    name="deepseek-67b",
    hf_id="deepseek-ai/deepseek-llm-67b-chat",
    layers=95,
    hidden=8192,
    heads=64,
    kv_heads=8,
    head_dim=128,
    intermediate=22016,
    vocabulary=102400,
    max_context=4096,
    tied_embeddings=False,
)

any_model = st.sampled_from(sorted(MODELS))
any_context = st.floats(min_value=0, max_value=1e6)


def test_kv_bytes_per_token_by_hand():
    assert kv_bytes_per_token(LLAMA_70B, "bf16") == 2 * 8 * 128 * 80 * 2 == 327_680
    assert kv_bytes_per_token(LLAMA_70B, "fp8") == 163_840
    assert kv_bytes_per_token(MODELS["llama-3.1-8b"], "bf16") == 131_072
    assert kv_bytes_per_token(MODELS["llama-2-7b"], "fp16") == 524_288


def test_kv_of_latent_attention_by_hand():
    assert kv_bytes_per_token(DEEPSEEK_V3, "bf16") == 576 * 61 * 2 == 70_272
    assert kv_bytes_per_token(DEEPSEEK_V2, "int8") == 60 * 576 == 34_560


def test_kv_of_deepseek_v2_against_67b_as_the_paper_has_it():
    # arXiv 2405.04434: −93.3 % with a 6-bit cache; latent attention alone, at 16 bit, is −82.2 %.
    assert kv_bytes_per_token(DEEPSEEK_67B, "int8") == 95 * 8 * 128 * 2 == 194_560
    ratio = kv_bytes_per_token(DEEPSEEK_V2, "bf16") / kv_bytes_per_token(DEEPSEEK_67B, "bf16")
    assert 1 - ratio == pytest.approx(0.822, abs=0.001)
    assert 1 - ratio * 6 / 16 == pytest.approx(0.9334, abs=0.0001)


def test_kv_of_half_sliding_gpt_oss_by_hand():
    # A token takes 2 × 8 × 64 × 2 = 2,048 bytes a layer; 18 layers keep 131,072 tokens, 18 keep 128.
    assert kv_bytes_per_token(GPT_OSS, "bf16") == 36 * 2048
    assert kv_bytes_for_context(GPT_OSS, 131_072, "bf16") == 4_831_838_208 + 4_718_592


def test_kv_of_gemma_within_and_past_its_window_by_hand():
    # A token takes 2 × 16 × 128 × 2 = 8,192 bytes a layer in bf16; 10 layers of 62 keep the whole context.
    gemma = MODELS["gemma-3-27b"]
    assert kv_bytes_for_context(gemma, 1000, "bf16") == 1000 * 62 * 8192
    assert kv_bytes_for_context(gemma, 8192, "bf16") == (8192 * 10 + 1024 * 52) * 8192


def test_kv_for_an_array_of_contexts_keeps_its_shape():
    contexts = np.array([[0.0, 64, 128], [129, 4096, 131_072]])
    kv = kv_bytes_for_context(GPT_OSS, contexts, "fp8")
    assert kv.shape == (2, 3)
    assert kv.tolist() == [
        [kv_bytes_for_context(GPT_OSS, c, "fp8") for c in row] for row in contexts.tolist()
    ]


@given(any_model, any_context, any_context, st.sampled_from(KV_PRECISIONS))
def test_kv_grows_with_context_and_a_window_only_saves(name, a, b, precision):
    model, (short, long) = MODELS[name], sorted((a, b))
    full = dataclasses.replace(model, sliding_window=None, sliding_layers=0)
    assert kv_bytes_for_context(model, short, precision) <= kv_bytes_for_context(model, long, precision)
    assert kv_bytes_for_context(model, long, precision) <= kv_bytes_for_context(full, long, precision) * (
        1 + 1e-12
    )
    assert kv_bytes_for_context(full, long, precision) == pytest.approx(
        long * kv_bytes_per_token(model, precision)
    )


@given(any_model, st.floats(min_value=0, max_value=128))
def test_kv_within_every_window_is_the_full_one(name, context):
    model = MODELS[name]
    assert kv_bytes_for_context(model, context, "bf16") == pytest.approx(
        context * kv_bytes_per_token(model, "bf16")
    )


def test_a_weight_precision_is_no_kv_precision():
    assert "int4" in WEIGHT_PRECISIONS
    with pytest.raises(UsageError, match="unknown KV precision 'int4'"):
        kv_bytes_per_token(LLAMA_70B, "int4")
