"""Names of models and GPUs as published tables write them: each means one, or nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import pytest

from optimiser.accuracy.architectures import ARCHITECTURES
from optimiser.accuracy.names import MODEL_NAMES, gpus_by_name, look_up, models_by_name
from optimiser.config import load_config
from optimiser.performance.parameters import parameter_count

CONFIG = load_config()
MODELS, GPUS = models_by_name(CONFIG.models), gpus_by_name(CONFIG.gpus)
# From data sheets, not from gpus.yaml: chip, memory in GB, form, SXM generation, memory type.
FACTS = {
    ("v100", 16, "sxm2", "hbm2"): "V100",
    ("v100", 32, "sxm2", "hbm2"): "V100-32GB",
    ("v100", 16, "pcie", "hbm2"): "V100-PCIe",
    ("t4", 16, "pcie", None): "T4",
    ("t4g", 16, "pcie", None): "T4G",
    ("a10", 24, "pcie", None): "A10",
    ("a10g", 24, "pcie", None): "A10G",
    ("a100", 40, "sxm4", "hbm2"): "A100-40GB",
    ("a100", 80, "sxm4", "hbm2e"): "A100-80GB",
    ("a100", 80, "pcie", "hbm2e"): "A100-80GB-PCIe",
    ("l4", 24, "pcie", None): "L4",
    ("l40s", 48, "pcie", None): "L40S",
    ("h100", 80, "sxm5", "hbm3"): "H100",
    ("h100", 94, "nvl", "hbm3"): "H100-NVL",
    ("h200", 141, "sxm5", "hbm3e"): "H200",
    ("rtx pro 6000", 96, "pcie", None): "RTX-PRO-6000",
    ("b200", 180, "sxm6", "hbm3e"): "B200",
    ("b300", 288, "sxm6", "hbm3e"): "B300",
    ("gb200", 186, "nvl72", "hbm3e"): "GB200",
    ("mi300x", 192, "oam", "hbm3"): "MI300X",
}
CHIPS, MEMORIES, FORMS, TYPES = (
    sorted({fact[place] for fact in FACTS} - {None}, key=str) for place in range(4)
)


def gpu_of(name: str) -> str | None:
    gpu = look_up(GPUS, name)
    return gpu and gpu.name


def model_of(name: str) -> str | None:
    model = look_up(MODELS, name)
    return model and model.name


def test_every_gpu_has_its_facts() -> None:
    assert set(FACTS.values()) == set(CONFIG.gpus)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_name_that_says_all_means_the_gpu_of_which_all_is_true(chip: str) -> None:
    for memory, form, kind in product(MEMORIES, FORMS, (None, *TYPES)):
        meant = [gpu for fact, gpu in FACTS.items() if fact[:3] == (chip, memory, form)]
        if kind and (chip, memory, form, kind) not in FACTS:
            meant = []
        words = [chip, f"{memory}GB", form, *([kind] if kind else [])]
        for order in permutations(words):
            assert gpu_of(" ".join(order)) == (meant[0] if meant else None), order
        vendor = "AMD Instinct" if chip == "mi300x" else "NVIDIA"
        assert gpu_of(f"{vendor} {'-'.join(words).upper()}") == (meant[0] if meant else None)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_name_that_leaves_something_out_never_means_a_gpu_of_which_it_is_untrue(chip: str) -> None:
    facts = {gpu: fact for fact, gpu in FACTS.items()}
    for memory, form, kind in product((None, *MEMORIES), (None, *FORMS, "sxm"), (None, *TYPES)):
        name = " ".join([chip, *([f"{memory} GB"] if memory else []), *filter(None, (form, kind))])
        found = gpu_of(name)
        if found is None:
            continue
        own = facts[found]
        assert own[0] == chip, name
        assert memory in (None, own[1]), name
        assert form is None or own[2].startswith(form), name
        assert kind in (None, own[3]), name
        if form is None:
            assert own[2] not in ("pcie", "nvl") or chip not in ("v100", "a100", "h100"), name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A100", "A100-80GB"),
        ("A100-SXM", "A100-80GB"),
        ("a100 sxm", "A100-80GB"),
        ("A100-SXM4", "A100-80GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("A100 40GB", "A100-40GB"),
        ("A100-SXM4-40GB", "A100-40GB"),
        ("A100-PCIe", "A100-80GB-PCIe"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"),
        ("NVIDIA A100-PCIE-40GB", None),
        ("A100-SXM-64GB", None),
        ("A100-SXM5-80GB", None),
        ("H100 80GB", "H100"),
        ("H100_SXM", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("HGX H100 (80 GB)", "H100"),
        ("H100-SXM5-80GB 700W", "H100"),
        ("H100-SXM5-80GB 500W", None),
        ("H100 PCIe", None),
        ("NVIDIA H100 80GB HBM2e", None),
        ("H100 94GB", None),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("H100 1g.10gb", None),
        ("8x H100", None),
        ("AMD H100", None),
        ("H200 141GB", "H200"),
        ("H200 NVL", None),
        ("B200-SXM-180GB", "B200"),
        ("B200 192GB", None),
        ("GB200 NVL72", "GB200"),
        ("GB300 NVL72", None),
        ("L40S 48GB", "L40S"),
        ("L40", None),
        ("Tesla V100", "V100"),
        ("V100-SXM2", None),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("RTX PRO 6000 Blackwell Workstation Edition", None),
        ("RTX 6000 Ada", None),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("MI325X", None),
        ("NVIDIA", None),
    ],
)
def test_gpus_as_tables_write_them(written: str, name: str | None) -> None:
    assert gpu_of(written) == name


def test_a_gpu_of_ones_own_is_found_and_makes_no_name_mean_two() -> None:
    card = replace(CONFIG.gpus["H100"], name="H100-PCIe", link="PCIe5", tdp_w=350)
    bigger = replace(CONFIG.gpus["H100"], name="H100-96GB", memory_gb=96)
    own = gpus_by_name({**CONFIG.gpus, card.name: card, bigger.name: bigger})
    assert look_up(own, "NVIDIA H100 80GB PCIe") is card
    assert look_up(own, "H100 SXM5 96GB") is bigger
    assert look_up(own, "H100 SXM5") is None
    assert look_up(own, "NVIDIA H100") is CONFIG.gpus["H100"]
    twin = replace(card, name="A100-SXM", link="NVLink3")
    assert look_up(gpus_by_name({**CONFIG.gpus, twin.name: twin}), "NVIDIA A100-SXM4-80GB") is None


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_models_of_its_own_have_the_published_number_of_weights(name: str) -> None:
    model = ARCHITECTURES[name]
    published = model.parameters_published
    assert published is not None
    rounded = published % 1e8 == 0
    assert parameter_count(model) == pytest.approx(published, rel=0.015 if rounded else 2e-3)
    assert name not in CONFIG.models


@pytest.mark.parametrize("name", [*CONFIG.models, *ARCHITECTURES])
def test_tuned_and_quantised_models_are_the_one_they_are_made_of(name: str) -> None:
    model = {**ARCHITECTURES, **CONFIG.models}[name]
    for written in (name, model.hf_id, *model.published.values()):
        assert model_of(written) == name, written
        for suffix in ("", "-Instruct", "-FP8", "_AWQ", " GPTQ-Int4", "-FP8-dynamic", "-quantized.w4a16"):
            assert model_of(f"Someone/{written.split('/')[-1].upper()}{suffix}") == name, written + suffix


def test_other_names_of_a_model_are_no_names_of_another() -> None:
    known = models_by_name({**CONFIG.models, **ARCHITECTURES}).exact
    for name, same in MODEL_NAMES.items():
        assert known[name].name == same
        others = {key for model in known.values() for key in (model.name, *model.published.values())}
        assert name not in {key.rsplit("/", 1)[-1].lower() for key in others}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Meta-Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
        ("Llama3.1-8B", "llama-3.1-8b"),
        ("Llama-3-1-8b", "llama-3.1-8b"),
        ("Llama3-8B", "llama-3-8b"),
        ("Llama-3-8b-chat-hf", "llama-3-8b"),
        ("llama2 70b", "llama-2-70b"),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w4a16", "llama-3.1-70b"),
        ("amd/Llama-3.3-70B-Instruct-FP8-KV", "llama-3.3-70b"),
        ("Qwen-2.5-7B", "qwen2.5-7b"),
        ("Qwen2-5-72B-Instruct", "qwen2.5-72b"),
        ("Qwen2-7B-Instruct", "qwen2.5-7b"),
        ("Qwen3-30B-A3B-Instruct-2507-FP8", "qwen3-30b-a3b"),
        ("Qwen3-235B-A22B-Thinking-2507", "qwen3-235b-a22b"),
        ("phi4", "phi-4"),
        ("Phi3-mini-4k-instruct", "phi-3-mini-4k"),
        ("gemma2-27b-it", "gemma-2-27b"),
        ("Mistral-7B-v0.3", "mistral-7b"),
        ("Mistral-Small-24B-Base-2501", "mistral-small-24b"),
        ("lmsys/vicuna-13b-v1.5", "llama-2-13b"),
        ("DeepSeek-R1-Distill-Llama-8B", "llama-3.1-8b"),
        # Of other sizes, or attention: nothing is said of them.
        ("DeepSeek-R1-Distill-Qwen-1.5B", None),
        ("DeepSeek-V3.2", None),
        ("Llama-3.2-11B-Vision-Instruct", None),
        ("Sparse-Llama-3.1-8B-2of4", None),
        ("Llama-3-1b", None),
        ("Llama-3.8B", None),
        ("Qwen3.4B", None),
        ("Mistral-7B-v0.1", None),
        ("Mixtral-7B", None),
        ("Qwen-7B", None),
        ("Qwen2-57B-A14B", None),
        ("Qwen3-Next-80B-A3B-Instruct", None),
        ("gemma-7b", None),
        ("phi-3", None),
        ("Instruct", None),
    ],
)
def test_models_as_tables_write_them(written: str, name: str | None) -> None:
    assert model_of(written) == name


def test_a_model_of_ones_own_goes_before_other_spellings_and_leaves_no_name_to_two() -> None:
    base = CONFIG.models["llama-3.1-8b"]
    mine = {name: replace(base, name=name, hf_id=f"me/{name}") for name in ("qwen2-7b", "llama-3.1-8b-fp8")}
    apart = {name: replace(base, name=name, hf_id=f"me/{name}") for name in ("mine-fp8", "mine-awq")}
    own = models_by_name({**CONFIG.models, **mine, **apart})
    assert look_up(own, "Qwen2-7B-Instruct") is mine["qwen2-7b"]
    assert look_up(own, "llama-3.1-8b-fp8") is mine["llama-3.1-8b-fp8"]
    assert look_up(own, "Llama-3.1-8B-bf16") is base
    assert look_up(own, "mine-awq") is apart["mine-awq"]
    assert look_up(own, "mine") is None
