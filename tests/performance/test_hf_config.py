"""Reading config.json: true files give what config/models.yaml holds."""

import json
from dataclasses import asdict

import pytest
from published_models import MODELS
from true_configs import (
    DEEPSEEK_V3,
    GPT_OSS,
    LLAMA,
    LLAMA_2,
    MIXTRAL,
    PHI_4,
    QWEN2,
    QWEN3_MOE,
    TRUE_CONFIGS,
    changed,
    read,
)

from optimiser.performance.hf_config import model_from_hf_config
from optimiser.performance.parameters import parameter_count, weight_bytes

# What a checkpoint's own config.json does not say, or says of itself alone.
NOT_IN_CONFIG = {
    "name",
    "hf_id",
    "published",
    "quantised_parts",
    "bytes_per_weight",
    "scale_block",
    "parameters_published",
    "active_parameters_published",
    "source",
    "checked",
}


@pytest.mark.parametrize("name", TRUE_CONFIGS)
def test_a_true_config_gives_the_architecture_of_the_yaml_entry(tmp_path, name):
    model, entry = asdict(read(tmp_path, TRUE_CONFIGS[name])), asdict(MODELS[name])
    released = entry["default_precision"]
    entry["computed_in"] = {key: value for key, value in entry["computed_in"].items() if key == released}
    assert {key: model[key] for key in model.keys() - NOT_IN_CONFIG} == {
        key: entry[key] for key in entry.keys() - NOT_IN_CONFIG
    }


@pytest.mark.parametrize("name", TRUE_CONFIGS)
def test_a_true_config_weighs_what_the_yaml_entry_weighs(tmp_path, name):
    model, entry = read(tmp_path, TRUE_CONFIGS[name]), MODELS[name]
    assert parameter_count(model) == parameter_count(entry)
    assert weight_bytes(model, model.default_precision) == weight_bytes(entry, entry.default_precision)


def test_file_and_directory_name_the_same_model(tmp_path):
    folder = tmp_path / "my-finetune"
    folder.mkdir()
    by_directory = read(folder, LLAMA)
    assert by_directory == model_from_hf_config(folder / "config.json")
    assert by_directory.name == by_directory.hf_id == "my-finetune"
    assert by_directory.published == {"bf16": str(folder / "config.json")}
    other = tmp_path / "my-model.json"
    other.write_text(json.dumps(LLAMA_2), encoding="utf-8")
    assert model_from_hf_config(other).name == "my-model"
    assert model_from_hf_config(other).hf_id == "meta-llama/Llama-2-70b-chat-hf"


# Context, windows, heads, experts


@pytest.mark.parametrize(
    ("rope", "context"),
    [
        (None, 40960),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
        ({"rope_type": "yarn", "factor": 4.0}, 40960),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32768}, 40960),
    ],
)
def test_context_is_what_the_file_states_stretched_by_yarn_alone(tmp_path, rope, context):
    assert read(tmp_path, changed(QWEN3_MOE, rope_scaling=rope)).max_context == context


@pytest.mark.parametrize(
    ("config", "keys", "window", "layers"),
    [
        (MIXTRAL, {"sliding_window": 4096}, 4096, 32),  # Mistral 7B v0.1: in every layer
        (PHI_4, {"sliding_window": 262144}, None, 0),  # wider than the context: none
        (QWEN2, {"use_sliding_window": True, "sliding_window": 4096}, 4096, 10),  # from layer 70 of 80
        (QWEN2, {"use_sliding_window": ..., "sliding_window": 4096}, None, 0),  # off unless asked for
        (GPT_OSS, {"layer_types": ...}, 128, 18),  # the class alternates
        (GPT_OSS, {"layer_types": ["full_attention"] * 36}, None, 0),
        (LLAMA, {"model_type": "cohere2", "sliding_window": 4096}, 4096, 60),  # every fourth is full
        (PHI_4, {"model_type": "gemma2", "sliding_window": ...}, 4096, 20),  # every other
    ],
)
def test_sliding_layers(tmp_path, config, keys, window, layers):
    model = read(tmp_path, changed(config, **keys))
    assert (model.sliding_window, model.sliding_layers) == (window, layers)


def test_head_width_and_kv_heads_default_as_in_transformers(tmp_path):
    model = read(tmp_path, changed(LLAMA, num_key_value_heads=..., head_dim=None))
    assert (model.kv_heads, model.head_dim) == (64, 128)


@pytest.mark.parametrize(
    ("keys", "dense"),
    [
        ({}, 0),
        ({"mlp_only_layers": [0, 47]}, 2),
        ({"decoder_sparse_step": 5}, 39),  # layers 5, 10, …, 45 are sparse, counted from 1
        ({"moe_layer_freq": [0] + [1] * 47}, 1),
    ],
)
def test_dense_layers_of_a_mixture_of_experts(tmp_path, keys, dense):
    assert read(tmp_path, changed(QWEN3_MOE, **keys)).moe.dense_layers == dense


def test_shared_experts_are_read_by_either_spelling(tmp_path):
    deepseek = read(tmp_path, changed(DEEPSEEK_V3, n_shared_experts=2))
    qwen = read(tmp_path, changed(QWEN3_MOE, shared_expert_intermediate_size=5632))
    assert (deepseek.moe.shared_intermediate, qwen.moe.shared_intermediate) == (4096, 5632)


def test_a_feed_forward_block_without_gate_is_told_by_the_architecture(tmp_path):
    assert read(tmp_path, changed(LLAMA, model_type="nemotron", hidden_act="relu2")).gated is False
    assert read(tmp_path, LLAMA).gated is True
    assert read(tmp_path, changed(LLAMA, hidden_act=...)).gated is True


def test_a_new_decoder_with_the_standard_keys_is_read(tmp_path):
    model = read(tmp_path, changed(LLAMA, model_type="brand_new", architectures=["BrandNewForCausalLM"]))
    assert parameter_count(model) == 70_553_706_496
