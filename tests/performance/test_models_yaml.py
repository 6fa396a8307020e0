"""config/models.yaml: every entry is a real architecture whose weights add up to what its authors publish."""

import re
from collections import Counter
from datetime import date

import pytest
import yaml
from published_models import MODELS, MODELS_FILE, read_entries

from optimiser.performance.model_checks import check_model
from optimiser.performance.parameters import (
    BYTES_PER_WEIGHT,
    active_parameter_count,
    bytes_per_weight,
    parameter_count,
    parameter_parts,
    quantised_parameters,
)

ASKED_FOR = [
    "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "llama-3.3-70b", "llama-3.2-1b", "llama-3.2-3b",
    "qwen2.5-7b", "qwen2.5-14b", "qwen2.5-32b", "qwen2.5-72b", "qwen3-8b", "qwen3-14b", "qwen3-32b",
    "qwen3-30b-a3b", "qwen3-235b-a22b", "mistral-7b", "mistral-small-24b", "mixtral-8x7b", "mixtral-8x22b",
    "deepseek-v2", "deepseek-v3", "deepseek-r1", "gpt-oss-20b", "gpt-oss-120b", "gemma-3-12b",
    "gemma-3-27b", "phi-4",
]  # fmt: skip

# Tensor counts of the published checkpoints (safetensors headers): these have to be met to the weight.
EXACT_CHECKPOINTS = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "mistral-7b": 7_248_023_552,
    "mistral-nemo-12b": 12_247_782_400,
    "mistral-small-24b": 23_572_403_200,
    "mixtral-8x7b": 46_702_792_704,
    "phi-4": 14_659_507_200,
    "qwen2.5-7b": 7_615_616_512,
}

# The technical report of Kimi K2 (arXiv 2507.20534) says 1.04 T, its card 1 T, its config.json gives 1.026 T.
TOTAL_TOLERANCE = {"kimi-k2": 0.014, "kimi-k2.5": 0.014}

# Qwen counts the input embedding among the active weights, which weighs in the smallest mixture of experts.
ACTIVE_WITH_INPUT_EMBEDDING = {"qwen3-30b-a3b"}
# "A10B" is rounded to whole billions, so 5 % either way.
ACTIVE_TOLERANCE = {"minimax-m2.5": 0.05}


def test_the_models_that_users_expect_are_there():
    assert set(ASKED_FOR) <= set(MODELS)
    assert len(MODELS) >= 24


def test_no_name_appears_twice():
    names = re.findall(r"^([\w.-]+):$", MODELS_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert set(names) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_sizes_fit_together(name):
    check_model(MODELS[name], name)


@pytest.mark.parametrize("name", MODELS)
def test_total_is_what_the_authors_publish(name):
    model = MODELS[name]
    assert parameter_count(model) == pytest.approx(
        model.parameters_published, rel=TOTAL_TOLERANCE.get(name, 0.01)
    )


@pytest.mark.parametrize(("name", "count"), EXACT_CHECKPOINTS.items())
def test_total_is_the_tensor_count_of_the_checkpoint(name, count):
    # Mixtral's router and Qwen's biases included: every tensor of these checkpoints is counted.
    assert parameter_count(MODELS[name]) == count


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.moe])
def test_active_is_what_the_authors_publish(name):
    model = MODELS[name]
    active = active_parameter_count(model)
    if name in ACTIVE_WITH_INPUT_EMBEDDING:
        active += parameter_parts(model).input_embedding
    assert active == pytest.approx(model.active_parameters_published, rel=ACTIVE_TOLERANCE.get(name, 0.03))


@pytest.mark.parametrize("name", MODELS)
def test_default_precision_is_published_and_every_published_one_is_known(name):
    model = MODELS[name]
    assert model.default_precision in model.published
    assert set(model.published) <= set(BYTES_PER_WEIGHT)
    assert set(model.quantised_parts) | set(model.bytes_per_weight) <= set(model.published)
    for precision in model.published:
        assert 0 < quantised_parameters(model, precision) < parameter_count(model)
        # An override says what scales take: never less than the bare bits, never as much as the next width.
        assert 0.5 <= bytes_per_weight(model, precision) <= 2
        if precision in model.bytes_per_weight:
            assert bytes_per_weight(model, precision) == pytest.approx(BYTES_PER_WEIGHT[precision], rel=0.1)


@pytest.mark.parametrize("name", MODELS)
def test_provenance_names_the_checkpoint_and_a_date(name):
    model = MODELS[name]
    assert model.source == f"config.json of {model.hf_id}"
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.hf_id)
    assert date.fromisoformat(model.checked) >= date(2025, 1, 1)
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", origin) for origin in model.published.values())


def test_numbers_are_numbers():
    # YAML 1.1 reads 1e9 without a sign or point as text.
    for name, entry in read_entries().items():
        for field in ("parameters_published", "active_parameters_published"):
            assert isinstance(entry.get(field, 0), int | float), f"{name}: {field}"


def test_mla_models_state_the_width_of_a_query_head():
    latent = {name: model for name, model in MODELS.items() if model.mla}
    assert {"deepseek-v2", "deepseek-v3", "deepseek-r1"} <= set(latent)
    for model in latent.values():
        assert model.head_dim == model.mla.nope_head_dim + model.mla.rope_head_dim == 192


@pytest.mark.parametrize(
    ("name", "window", "full_layers"),
    [
        ("gpt-oss-20b", 128, 12),
        ("gpt-oss-120b", 128, 18),
        ("gemma-3-12b", 1024, 8),
        ("gemma-3-27b", 1024, 10),
    ],
)
def test_sliding_windows(name, window, full_layers):
    # gpt-oss alternates; in Gemma 3 every sixth layer is full, and 62 layers hold ten whole sixes.
    model = MODELS[name]
    assert model.sliding_window == window
    assert model.layers - model.sliding_layers == full_layers


def test_the_file_is_plain_yaml():
    assert isinstance(yaml.safe_load(MODELS_FILE.read_text(encoding="utf-8")), dict)
