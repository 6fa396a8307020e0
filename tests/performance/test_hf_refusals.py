"""Reading config.json: what cannot be described is refused in one message, never with a traceback."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from true_configs import DEEPSEEK_V3, GPT_OSS, GROUP, LLAMA, MIXTRAL, QWEN3_MOE, TRUE_CONFIGS, changed, read

from optimiser.errors import UsageError
from optimiser.performance.hf_config import model_from_hf_config
from optimiser.performance.parameters import parameter_count, weight_bytes


@pytest.mark.parametrize(
    ("config", "keys", "message"),
    [
        (LLAMA, {"num_hidden_layers": ...}, "num_hidden_layers is missing"),
        (LLAMA, {"vocab_size": None}, "vocab_size is missing"),
        (LLAMA, {"max_position_embeddings": ...}, "max_position_embeddings is missing"),
        (LLAMA, {"intermediate_size": ...}, "intermediate_size is missing"),
        (DEEPSEEK_V3, {"qk_rope_head_dim": ...}, "qk_rope_head_dim is missing"),
        (DEEPSEEK_V3, {"kv_lora_rank": ...}, ": kv_lora_rank is missing, though q_lora_rank is set"),
        (
            DEEPSEEK_V3,
            {"kv_lora_rank": None, "q_lora_rank": None},
            ": kv_lora_rank is missing, though qk_rope_head_dim is set",
        ),
        (
            DEEPSEEK_V3,
            {"moe_intermediate_size": ...},
            ": moe_intermediate_size is missing: intermediate_size is",
        ),
        (
            QWEN3_MOE,
            {"moe_intermediate_size": ...},
            ": moe_intermediate_size is missing: intermediate_size is",
        ),
        (MIXTRAL, {"intermediate_size": 0}, ": intermediate_size = 0: a whole number from 1"),
        (
            DEEPSEEK_V3,
            {"first_k_dense_replace": 99},
            ": first_k_dense_replace = 99: below num_hidden_layers, 61",
        ),
        (QWEN3_MOE, {"decoder_sparse_step": 49}, ": decoder_sparse_step = 49: leaves none of the 48 layers"),
        (QWEN3_MOE, {"mlp_only_layers": list(range(48))}, "mlp_only_layers = [0, 1, 2,"),
        (
            QWEN3_MOE,
            {"moe_layer_freq": [0] * 48},
            "has to be true for 1 to 48 layers (num_hidden_layers), not for 0",
        ),
        *(
            (
                DEEPSEEK_V3,
                {"quantization_config": {"quant_method": "fp8", "weight_block_size": size}},
                f"quantization_config.weight_block_size = {size}: whole numbers of weights, each at least 1",
            )
            for size in ([0, 0], [128, -1], [128, 0.5], [0, 128])
        ),
        (MIXTRAL, {"num_experts_per_tok": ...}, "num_experts_per_tok or experts_per_token is missing"),
        (LLAMA, {"num_hidden_layers": 0}, "num_hidden_layers = 0: a whole number from 1"),
        (LLAMA, {"num_hidden_layers": -80}, "num_hidden_layers = -80: a whole number from 1"),
        (LLAMA, {"hidden_size": 8192.5}, "hidden_size = 8192.5: a whole number"),
        (LLAMA, {"hidden_size": "8192"}, "hidden_size = '8192': a whole number"),
        (LLAMA, {"hidden_size": True}, "hidden_size = true: a whole number"),
        (
            LLAMA,
            {"num_key_value_heads": 7},
            ": num_key_value_heads = 7: has to divide num_attention_heads, 64",
        ),
        (LLAMA, {"num_attention_heads": 60}, "num_attention_heads = 60: without head_dim"),
        (
            MIXTRAL,
            {"num_experts_per_tok": 9},
            ": num_experts_per_tok = 9: at most the 8 of num_local_experts",
        ),
        (LLAMA, {"tie_word_embeddings": "no"}, "tie_word_embeddings = 'no'"),
        (LLAMA, {"is_encoder_decoder": True}, "is_encoder_decoder = true: only decoders"),
        (LLAMA, {"architectures": ["BertForMaskedLM"]}, "only text generation"),
        (LLAMA, {"model_type": "mamba2"}, "model_type = 'mamba2': state-space models are not supported"),
        (LLAMA, {"model_type": "jamba"}, "state-space models are not supported"),
        (LLAMA, {"model_type": "rwkv"}, "state-space models are not supported"),
        (LLAMA, {"mamba_d_state": 128}, "mamba_d_state is set: a state-space model"),
        (LLAMA, {"attention_chunk_size": 8192}, "attention_chunk_size is set: chunked attention"),
        (DEEPSEEK_V3, {"index_topk": 2048}, "index_topk is set: sparse attention"),
        (LLAMA, {"attn_type_list": [1, 0]}, "attn_type_list is not 1 throughout: linear attention"),
        (
            GPT_OSS,
            {"layer_types": ["linear_attention", "full_attention"] * 18},
            "layer_types = ['linear_attention']: full_attention or sliding_attention for each of the 36",
        ),
        (GPT_OSS, {"layer_types": ["full_attention"]}, "layer_types = 1: full_attention or sliding"),
        (LLAMA, {"moe_num_experts": 64}, "moe_num_experts = 64: the number of experts is known as num_local"),
        (
            LLAMA,
            {"model_type": "odd", "hidden_act": None},
            "hidden_act is missing (model_type 'odd'): state it (silu, swish",
        ),
        (LLAMA, {"model_type": "odd", "hidden_act": "relu2"}, "model_type = 'odd': unknown"),
        (
            LLAMA,
            {"rope_scaling": {"rope_type": "spiral"}},
            "rope_scaling.rope_type = 'spiral': one of default",
        ),
        (LLAMA, {"rope_scaling": 4}, "rope_scaling = 4"),
        (LLAMA, {"torch_dtype": "int3"}, "torch_dtype = 'int3': one of bfloat16"),
        (LLAMA, {"quantization_config": {"quant_method": "hqq"}}, "quant_method = 'hqq': one of fp8"),
        (LLAMA, {"quantization_config": {"quant_method": "gptq", "bits": 3}}, "bits = 3: 4 or 8"),
        (
            LLAMA,
            {"quantization_config": {"quant_algo": "MIXED_PRECISION"}},
            "quant_algo = 'MIXED_PRECISION': one of FP8",
        ),
        (
            LLAMA,
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"a": GROUP, "b": {"weights": {"num_bits": 8, "type": "float"}}},
                }
            },
            "config_groups = ['fp8', 'int4']: exactly one weight precision",
        ),
    ],
)
def test_what_cannot_be_described_is_refused_by_file_and_key(tmp_path, config, keys, message):
    with pytest.raises(UsageError) as refusal:
        read(tmp_path, changed(config, **keys))
    text = str(refusal.value)
    assert text.startswith(f"{tmp_path / 'config.json'}: ")
    assert message in text
    assert "\n" not in text
    assert len(text) < len(str(tmp_path)) + 250


@pytest.mark.parametrize("off", [{"use_mla": False}, {"q_lora_rank": None, "v_head_dim": 0}])
def test_plain_attention_may_state_that_it_is_not_latent(tmp_path, off):
    """As DeepSeek-VL2's small language models do, by use_mla and widths of 0."""
    widths = {"q_lora_rank": 1536, "qk_rope_head_dim": 0, "qk_nope_head_dim": 0, "v_head_dim": 128}
    plain = changed(LLAMA, kv_lora_rank=None, **(widths | off))
    assert read(tmp_path, plain) == read(tmp_path, LLAMA)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"layers: 80", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1, 2]", "holds a list, not an object"),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        model_from_hf_config(tmp_path)


def test_a_directory_without_config_json_is_refused_by_the_file_it_lacks(tmp_path):
    with pytest.raises(UsageError, match=r"config\.json: cannot be read: No such file"):
        model_from_hf_config(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
QUANTISATION_KEYS = ["quant_method", "bits", "group_size", "config_groups", "ignore", "quant_algo"]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_of_any_key_causes_a_traceback(tmp_path, data):
    config = copy.deepcopy(data.draw(st.sampled_from(list(TRUE_CONFIGS.values()))))
    part = config.get("text_config", config)
    if data.draw(st.booleans()) and isinstance(part.get("rope_scaling"), dict):
        part = part["rope_scaling"]
    elif data.draw(st.booleans()):
        method = st.sampled_from(["gptq", "compressed-tensors", "modelopt", "bitsandbytes"])
        part["quantization_config"] = {"quant_method": data.draw(method)}
        part = part["quantization_config"]
        part["config_groups"] = {"group": {"weights": data.draw(json_values)}}
        part[data.draw(st.sampled_from(QUANTISATION_KEYS))] = data.draw(json_values)
    for key in data.draw(st.lists(st.sampled_from(sorted(part)), min_size=1, max_size=3)):
        part[key] = data.draw(json_values)
    try:
        model = read(tmp_path, config)
    except UsageError:
        return
    assert parameter_count(model) > 0
    assert weight_bytes(model, model.default_precision) > 0
