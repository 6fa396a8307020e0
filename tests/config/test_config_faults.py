"""The message for every fault in the config files."""

import textwrap
from pathlib import Path

import pytest
from config_files import GPU, MODEL, SHAPE, fault, write

from optimiser.config import load_config
from optimiser.errors import UsageError


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("gpus.yaml", "gpu: {}", ["gpus.yaml", "unknown field 'gpu'", "did you mean gpus?"]),
        ("gpus.yaml", GPU.replace("tdp_w", "tpd_w"), ["gpus.yaml: L4", "'tpd_w'", "did you mean tdp_w?"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", ""), ["gpus.yaml: L4", "missing field tdp_w"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: lots"), ["L4: tdp_w = 'lots'", "must be a number"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: -72"), ["tdp_w = -72", "not negative"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: .nan"), ["tdp_w = nan", "finite"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: 7e1"), ["tdp_w = '7e1'", "with a dot and a sign"]),
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: true"), ["tdp_w = true", "must be a number"]),
        ("gpus.yaml", GPU.replace("23034", "23034.5"), ["usable_mib = 23034.5", "whole number"]),
        ("gpus.yaml", GPU.replace("fp16: 121", "fp16: fast"), ["dense_tflops.fp16 = 'fast'", "a number"]),
        ("gpus.yaml", GPU.replace("{fp16: 121}", "121"), ["dense_tflops = 121", "must be a mapping"]),
        ("gpus.yaml", GPU.replace("Ada", "Adda"), ["L4: generation = 'Adda'", "did you mean Ada?"]),
        ("gpus.yaml", GPU.replace("NVIDIA", "[1]"), ["vendor = [1]", "must be text"]),
        (
            "gpus.yaml",
            GPU.replace("tdp_w: 72", "tdp_w: 1\n        tdp_w: 2"),
            ["line", "'tdp_w' is given twice"],
        ),
        ("gpus.yaml", GPU.replace("gbs: 300", "gbs: 0"), ["L4: memory_bandwidth_gbs = 0.0", "above 0"]),
        ("gpus.yaml", GPU.replace("fp16: 121", "fp16: 0"), ["L4: dense_tflops.fp16 = 0.0", "above 0"]),
        ("gpus.yaml", "gpus:\n  L4: [1", ["gpus.yaml", "line"]),
        ("gpus.yaml", "- 1\n", ["gpus.yaml", "must be a mapping"]),
        ("gpus.yaml", "gpus:\n  5: {}\n", ["names are text", '"5"']),
        ("gpus.yaml", "gpus:\n  L4:\n", ["gpus.yaml: L4", "missing fields vendor, generation"]),
        (
            "instances/x.yaml",
            SHAPE.replace("gpu: L4", "gpu: L4S"),
            ["x.yaml: box: gpu = 'L4S'", "did you mean L40S"],
        ),
        (
            "instances/x.yaml",
            SHAPE.replace("elastic", "elastc"),
            ["obtainability = 'elastc'", "mean elastic?"],
        ),
        ("instances/x.yaml", SHAPE.replace("gpu_count: 2", "gpu_count: 0"), ["box: gpu_count = 0"]),
        ("instances/x.yaml", SHAPE.replace("gpu_count: 2", "gpu_count: 1"), ["gpu_link = 'pcie'", '"none"']),
        ("instances/x.yaml", SHAPE.replace("pcie", "pci"), ["gpu_link = 'pci'", "did you mean pcie?"]),
        ("instances/x.yaml", SHAPE.replace("unit: gpu", "unit: gpus"), ["quota_unit = 'gpus'", "mean gpu?"]),
        (
            "instances/x.yaml",
            "provider: y\n" + textwrap.dedent(SHAPE),
            ["provider = 'y'", "file's name says 'x'"],
        ),
        ("models.yaml", "m: {layers: 1}", ["models.yaml: m", "missing fields hf_id, hidden"]),
        ("settings.yaml", "policy: [aws]", ["policy = ['aws']", "must be a mapping"]),
        ("settings.yaml", "max_price_age_days: {spott: 1}", ["unknown field 'spott'", "did you mean spot?"]),
        ("settings.yaml", "max_price_age_days: {spot: -1}", ["max_price_age_days.spot = -1", "null"]),
        ("settings.yaml", "solver: {threads: 2}", ["solver: unknown field 'threads'", "relative_gap"]),
    ],
)
def test_a_fault_is_named_by_file_entry_field_and_value(
    tmp_path: Path, file: str, text: str, words: list[str]
) -> None:
    write(tmp_path, file, text)
    message = fault(tmp_path)
    for word in words:
        assert word in message
    assert "\n" not in message


ENGINE = """
    engines:
      vllm: {step_factor: 1.1, latent_prompt_layer_us: 1100, memory_share: 0.9, of_free_memory: false, versions: '1',
             source: ours}
"""
GENERATION = """
    generations:
      Ada: {compute: 0.6, bandwidth: 0.8, relative_error: 0.1, fitted: true, source: ours}
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (
            ENGINE,
            "step_factor: 1.1",
            "step_factor: 0",
            "vllm: step_factor = 0.0: 0.01 or more and at most 100",
        ),
        (ENGINE, "step_factor: 1.1", "step_factor: 1.0e+300", "vllm: step_factor = 1e+300: 0.01 or more"),
        (
            ENGINE,
            "us: 1100",
            "us: 1.0e+9",
            "vllm: latent_prompt_layer_us = 1000000000.0: 0 or more and at most",
        ),
        (
            ENGINE,
            "us: 1100",
            "us: 1100, graph_tokens: 1.0e+9",
            "vllm: graph_tokens = 1000000000.0: 0 or more and at most",
        ),
        ("physics: {link_share: 0.5}", "0.5", "1.5", "physics: link_share = 1.5: a share above 0"),
        (ENGINE, "share: 0.9", "share: 5", "vllm: memory_share = 5.0: a share above 0 and at most 1"),
        (ENGINE, "share: 0.9", "share: 0", "vllm: memory_share = 0.0: a share above 0 and at most 1"),
        (GENERATION, "bandwidth: 0.8", "bandwidth: 0", "Ada: bandwidth = 0.0: a share above 0 and at most 1"),
        (GENERATION, "compute: 0.6", "compute: 1.2", "Ada: compute = 1.2: a share above 0 and at most 1"),
        (GENERATION, "error: 0.1", "error: 5", "Ada: relative_error = 5.0: a share above 0 and at most 1"),
        ("physics: {grouped_share: 0.5}", "0.5", "0", "physics: grouped_share = 0.0: a share above 0"),
        (
            "physics: {pipeline_loss: 0.1}",
            "0.1",
            "1.5",
            "physics: pipeline_loss = 1.5: 0 or more and at most 1",
        ),
        (
            "physics: {routing_spread: 0.1}",
            "0.1",
            "2",
            "physics: routing_spread = 2.0: 0 or more and at most 1",
        ),
        (
            "physics: {layer_overhead_us: 30}",
            "30",
            "1.0e+300",
            "physics: layer_overhead_us = 1e+300: 0 or more and at most 1,000,000",
        ),
    ],
)
def test_performance_that_cannot_be_is_named(
    tmp_path: Path, text: str, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, "performance.yaml", text)
    load_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    found = fault(tmp_path)
    assert f"performance.yaml: {message}" in found
    assert "\n" not in found


def test_nested_parts_of_a_model_are_parsed_and_their_faults_named(tmp_path: Path) -> None:
    path = write(tmp_path, "models.yaml", MODEL)
    moe = load_config(tmp_path).models["tiny-moe"].moe
    assert moe is not None
    assert (moe.experts, moe.active, moe.shared_intermediate) == (4, 2, 0)
    path.write_text(textwrap.dedent(MODEL).replace("active: 2", "actve: 2"), encoding="utf-8")
    assert "models.yaml: tiny-moe, moe: unknown field 'actve': did you mean active?" in fault(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kv_heads: 1", "kv_heads: 0", "kv_heads = 0: at least 1"),
        ("kv_heads: 1", "kv_heads: 3", "kv_heads = 3: has to divide the 2 heads"),
        ("layers: 2", "layers: 0", "layers = 0: at least 1"),
        ("layers: 2", "layers: banana", "layers = 'banana': must be a number"),
        ("experts: 4", "experts: 0", "moe.experts = 0: at least 1"),
        ("active: 2", "active: 5", "moe.active = 5: 1 to the 4 experts"),
        ("{bf16: a/b}", "{banana: a/b}", "published = 'banana': no such precision; known: "),
        ("moe: {", "default_precision: bf61, moe: {", "default_precision = 'bf61': no such precision; did you"),
        ("moe: {", "quantised_parts: {fp88: linear}, moe: {", "quantised_parts = 'fp88': no such precision; did"),
        ("moe: {", "quantised_parts: {fp8: expert}, moe: {", "quantised_parts.fp8 = 'expert': did you mean experts?"),
        ("moe: {", "bytes_per_weight: {banana: 1}, moe: {", "bytes_per_weight = 'banana': no such precision"),
        ("moe: {", "bytes_per_weight: {fp4: 0}, moe: {", "bytes_per_weight.fp4 = 0.0: must be above 0"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_is_refused_with_file_entry_and_field(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in MODEL
    path = write(tmp_path, "models.yaml", MODEL.replace(old, new))
    assert fault(tmp_path).startswith(f"{path}: tiny-moe: {message}")


def test_what_an_engine_does_not_run_on_is_a_list_of_generations(tmp_path: Path) -> None:
    write(tmp_path, "performance.yaml", """
        engines:
          vllm: {step_factor: 1, latent_prompt_layer_us: 1, memory_share: 0.9, of_free_memory: false, versions: "1",
            source: mine, not_on: Volta}
    """)  # fmt: skip
    with pytest.raises(UsageError, match=r"vllm: not_on = 'Volta': must be a list"):
        load_config(tmp_path)
