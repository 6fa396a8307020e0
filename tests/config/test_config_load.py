"""Loading and layering the config directories, and the message for every fault in them."""

from pathlib import Path

import pytest
from config_files import GPU, SHAPE, write

from optimiser.config import config_directories, load_config, user_directory
from optimiser.errors import OptimiserError, UsageError


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
