"""Loading and layering the config directories, and the message for every fault in them."""

import textwrap
from pathlib import Path

import pytest

from optimiser.config import config_directories, load_config, user_directory
from optimiser.errors import OptimiserError, UsageError

GPU = """
    gpus:
      L4:
        vendor: NVIDIA
        generation: Ada
        memory_gb: 24
        usable_mib: 23034
        memory_bandwidth_gbs: 300
        dense_tflops: {fp16: 121}
        link: PCIe4
        link_gbs_bidirectional: 64
        tdp_w: 72
        confidence: sourced
        source: a datasheet
        checked: 2026-11-21
"""
SHAPE = """
    instances:
      box: {gpu: L4, gpu_count: 2, vcpus: 8, memory_gib: 64, gpu_link: pcie, network_gbps: 10,
            obtainability: elastic, quota_family: F, quota_unit: gpu}
"""
MODEL = """
    tiny-moe:
      {hf_id: a/b, layers: 2, hidden: 8, heads: 2, kv_heads: 1, head_dim: 4, intermediate: 16,
       vocabulary: 32, max_context: 64, tied_embeddings: false, sliding_window: null,
       published: {bf16: a/b}, moe: {experts: 4, active: 2, intermediate: 8}}
"""


@pytest.fixture(autouse=True)
def no_user_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPTIMISER_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def fault(directory: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(directory)
    return str(caught.value)


def test_the_embedded_config_loads_alone() -> None:
    config = load_config()
    assert len(config.directories) == 1
    assert config.shapes["aws", "p5.48xlarge"].gpu == "H100"
    assert config.settings.policy == {}
    assert config.settings.source == str(config.directories[0] / "settings.yaml")
    assert config.settings.solver.relative_gap == 0.0001
    assert config.settings.max_price_age_days.keys() == {"on_demand", "spot", "reserved"}


def test_a_user_s_entry_replaces_the_embedded_one_and_leaves_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "gpus.yaml", GPU)
    write(tmp_path, "instances/mycloud.yaml", SHAPE)
    embedded, config = load_config(), load_config(tmp_path)
    assert config.gpus["L4"].source == "a datasheet"
    assert config.gpus["H100"] == embedded.gpus["H100"]
    assert set(config.shapes) == {*embedded.shapes, ("mycloud", "box")}
    assert config.shapes["mycloud", "box"].gpu_count == 2
    assert config.gpus["L4"].checked == "2026-11-21"


def test_settings_merge_field_by_field(tmp_path: Path) -> None:
    write(tmp_path, "settings.yaml", """
        policy: {max_spot_share: 0.5, providers: aws}
        solver: {relative_gap: 0.01}
        max_price_age_days: {spot: null}
    """)  # fmt: skip
    settings = load_config(tmp_path).settings
    assert settings.policy == {"max_spot_share": 0.5, "providers": "aws"}
    assert settings.solver.relative_gap == 0.01
    assert settings.max_price_age_days["spot"] is None
    assert settings.max_price_age_days["reserved"] == load_config().settings.max_price_age_days["reserved"]


def test_the_named_directory_goes_before_the_variable_and_that_before_the_platform_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, variable, platform = (tmp_path / name for name in ("named", "variable", "platform"))
    personal = platform / "cloud-pricing-optimiser"
    for path in (named, variable, personal):
        path.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(platform))
    assert config_directories()[1:] == (personal,)
    monkeypatch.setenv("OPTIMISER_CONFIG", str(variable))
    assert config_directories()[1:] == (variable,)
    assert config_directories(named)[1:] == (named,)
    assert user_directory(named) == named


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_named_directory_must_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    gone = tmp_path / "gone"
    if by_variable:
        monkeypatch.setenv("OPTIMISER_CONFIG", str(gone))
    with pytest.raises(UsageError, match="no such directory") as caught:
        load_config(None if by_variable else gone)
    assert str(gone) in str(caught.value)
    assert ("OPTIMISER_CONFIG" if by_variable else "--config") in str(caught.value)


def test_the_embedded_directory_given_by_name_is_no_second_layer() -> None:
    embedded = config_directories()[0]
    assert config_directories(embedded) == (embedded,)


def test_an_installed_package_reads_the_config_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "optimiser"
    monkeypatch.setattr("optimiser.config.__file__", str(package / "config" / "__init__.py"))
    with pytest.raises(OptimiserError, match="installation is incomplete"):
        config_directories()
    (tmp_path / "config").mkdir()
    assert config_directories() == (tmp_path / "config",)
    (package / "_config").mkdir(parents=True)
    assert config_directories() == (package / "_config",)


def test_price_files_and_workloads_come_from_every_layer_the_user_s_last(tmp_path: Path) -> None:
    price = write(tmp_path, "prices/mycloud.csv", "provider\n")
    mine = write(tmp_path, "workloads/mine.yaml", "model: x\n")
    config = load_config(tmp_path)
    assert config.price_files[-1] == price
    assert [path.name for path in config.price_files[:3]] == ["aws.csv", "azure.csv", "gcp.csv"]
    assert config.find_workload("mine") == mine
    assert config.find_workload(str(mine)) == mine
    assert "mine" in config.workload_names
    with pytest.raises(UsageError, match="did you mean mine"):
        config.find_workload("mime")


def test_a_workload_of_the_user_hides_the_embedded_one_of_that_name(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for layer in (lower, upper):
        write(layer, "workloads/chat.yaml", "model: x\n")
    config = load_config()
    layered = type(config)(
        gpus={}, fit=config.fit, models={}, shapes={}, settings=config.settings, directories=(lower, upper)
    )
    assert layered.find_workload("chat") == upper / "workloads" / "chat.yaml"


def test_an_unknown_model_names_the_near_ones() -> None:
    config = load_config()
    with pytest.raises(UsageError, match=r"did you mean llama-3\.1-70b"):
        config.find_model("llama-3.1-70")
    assert config.find_model("llama-3.1-70b").layers == 80


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
        ("gpus.yaml", GPU.replace("tdp_w: 72", "tdp_w: true"), ["tdp_w = True", "must be a number"]),
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
