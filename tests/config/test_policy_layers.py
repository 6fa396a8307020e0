"""Which of several policies is in force, and the message for what none of them may say."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from optimiser.config import Config, load_config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy, split_overrides
from optimiser.errors import UsageError
from optimiser.policy import Overheads, Policy
from optimiser.prices.book import PriceBook, load_book


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="module")
def book(config: Config) -> PriceBook:
    return load_book(config.price_files, config.shapes, date(2026, 11, 21))


def layer(**fields: Any) -> PolicyLayer:
    return PolicyLayer("chat.yaml: policy", fields)


def test_without_layers_the_defaults_are_in_force(config: Config, book: PriceBook) -> None:
    assert resolve_policy(config, ()) == Policy()
    assert resolve_policy(config, (), book) == Policy()


def test_a_later_layer_wins_and_settings_come_first(config: Config) -> None:
    settings = replace(
        config.settings, policy={"max_spot_share": 0.1, "max_sites": 3, "min_firm_instances": 5}
    )
    layers = (layer(max_spot_share=0.2, max_sites=4), PolicyLayer("--set", {"max_spot_share": 0.25}))
    made = resolve_policy(replace(config, settings=settings), layers)
    assert (made.max_spot_share, made.max_sites, made.min_firm_instances) == (0.25, 4, 5)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"max_spot_shar": 1}, "max_spot_shar = 1: no such field; did you mean max_spot_share"),
        ({"max_spot_share": 2}, "max_spot_share = 2: must be at most 1 (largest share"),
        ({"max_sites": True}, "max_sites = true: must not be true or false"),
        ({"max_stes": [True, None, {"a": False}]}, "max_stes = [true, null, {a: false}]: no such field"),
        ({"providers": 3}, "providers = 3: must be a list such as [aws, gcp]"),
        ({"providers": "asw"}, "providers = 'asw': did you mean aws?"),
    ],
)
def test_settings_are_checked_as_every_layer_is(
    config: Config, written: dict[str, Any], message: str
) -> None:
    settings = replace(config.settings, policy=written)
    with pytest.raises(UsageError) as caught:
        resolve_policy(replace(config, settings=settings), ())
    assert str(caught.value).startswith(f"{config.settings.source}: policy: {message}")


def test_settings_may_write_a_list_as_one_text(config: Config) -> None:
    settings = replace(config.settings, policy={"providers": "aws, gcp"})
    assert resolve_policy(replace(config, settings=settings), ()).providers == ("aws", "gcp")


@pytest.mark.parametrize(
    ("file", "command", "margin", "confidence"),
    [
        ({"performance_margin": 0.2}, {}, 0.2, 0.75),
        ({"performance_margin": 0.2}, {"--confidence": {"performance_confidence": "0.9"}}, None, 0.9),
        ({"performance_confidence": 0.9}, {"--margin": {"performance_margin": "0.2"}}, 0.2, 0.9),
        ({"performance_confidence": 0.9}, {"--set": {"performance_confidence": 0.6}}, None, 0.6),
        ({"performance_margin": None, "performance_confidence": 0.9}, {}, None, 0.9),
    ],
)
def test_of_a_margin_and_a_confidence_the_later_holds(
    config: Config, file: dict[str, Any], command: dict[str, Any], margin: float | None, confidence: float
) -> None:
    typed = [PolicyLayer(option, fields) for option, fields in command.items()]
    made = resolve_policy(config, (layer(**file), *typed))
    assert (made.performance_margin, made.performance_confidence) == (margin, confidence)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PolicyLayer("--set", {"performance_margin": 0.2, "performance_confidence": 0.9}), layer()),
        (layer(performance_confidence=0.9, performance_margin=0.2), layer()),
        (
            PolicyLayer("--set", {"performance_confidence": 0.9}),
            PolicyLayer("--margin", {"performance_margin": "0.2"}),
        ),
        (
            PolicyLayer("--margin", {"performance_margin": "0.2"}),
            PolicyLayer("--confidence", {"performance_confidence": "0.9"}),
        ),
    ],
)
def test_a_margin_and_a_confidence_in_one_file_or_command_are_refused(
    config: Config, first: PolicyLayer, second: PolicyLayer
) -> None:
    with pytest.raises(
        UsageError, match=r"performance_confidence = .*: give one of the two: performance_margin = 0.2"
    ):
        resolve_policy(config, (first, second))


def test_null_takes_a_limit_away(config: Config) -> None:
    assert resolve_policy(config, (layer(max_sites=None),)).max_sites is None


def test_overheads_are_laid_over_each_other_one_by_one(config: Config) -> None:
    first, second = layer(overheads={"percent": 3, "usd_per_month": 10}), layer(overheads={"percent": 5})
    made = resolve_policy(config, (first, second)).overheads
    assert made == Overheads(percent=5, usd_per_month=10)


def test_promises_are_laid_over_each_other_one_by_one(config: Config) -> None:
    name = "minimum_monthly_usd_by_provider"
    layers = (layer(**{name: {"aws": 100, "gcp": 10}}), layer(**{name: {"aws": 0}}))
    assert resolve_policy(config, layers).minimum_monthly_usd_by_provider == {"aws": 0, "gcp": 10}


@pytest.mark.parametrize("written", ["gcp, aws", ["gcp", "aws"], ["gcp,aws"], ("gcp", "aws")])
def test_a_list_may_be_one_text_with_commas(config: Config, written: object) -> None:
    assert resolve_policy(config, (layer(providers=written),)).providers == ("gcp", "aws")


@pytest.mark.parametrize(
    ("fields", "vendors"),
    [
        ({}, ("NVIDIA",)),
        ({"gpus": ["H100"]}, ("NVIDIA",)),
        ({"gpus": ["MI300X"]}, ("NVIDIA", "AMD")),
        ({"instance_types": ["Standard_ND96isr_MI300X_v5"]}, ("NVIDIA", "AMD")),
        ({"gpus": ["MI300X"], "gpu_vendors": ["NVIDIA"]}, ("NVIDIA",)),
    ],
)
def test_amd_is_considered_where_it_is_named(
    config: Config, fields: dict[str, Any], vendors: tuple[str, ...]
) -> None:
    assert resolve_policy(config, (layer(**fields),)).gpu_vendors == vendors


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_spot_shar": 0.5}, "max_spot_shar = 0.5: no such field; did you mean max_spot_share"),
        ({"max_spot_share": 30}, "max_spot_share = 30: must be at most 1 (largest share"),
        ({"max_spot_share": -0.1}, "max_spot_share = -0.1: must be at least 0"),
        ({"max_spot_share": float("nan")}, "max_spot_share = nan: must be a finite number"),
        ({"max_spot_share": True}, "max_spot_share = true: must not be true or false"),
        ({"max_spot_share": "half"}, "max_spot_share = 'half': must be a number"),
        ({"max_sites": 1.5}, "max_sites = 1.5: must be a whole number"),
        ({"max_committed_monthly_usd": -1}, "max_committed_monthly_usd = -1: must be at least 0"),
        ({"max_monthly_usd": 0}, "max_monthly_usd = 0: must be above 0"),
        ({"performance_margin": 1}, "performance_margin = 1: must be below 1"),
        ({"assume_obtainable": "maybe"}, "assume_obtainable = 'maybe': must be true or false"),
        ({"providers": 3}, "providers = 3: must be a list such as [aws, gcp]"),
        ({"providers": []}, "providers = []: an empty list leaves nothing"),
        ({"tiers": None}, "tiers = null: must be a list"),
        ({"overheads": 3}, "overheads = 3: must be a mapping of usd_per_node_hour"),
        ({"overheads": {"percnt": 3}}, "overheads.percnt = 3: no such field; did you mean percent?"),
        ({"deployment": 3}, "deployment = 3: must be a mapping of surge_instances, hours_per_week"),
        (
            {"deployment": {"hours_per_week": 169}},
            "deployment.hours_per_week = 169: must be at most 168",
        ),
        (
            {"deployment": {"surge_instance": 2}},
            "deployment.surge_instance = 2: no such field; did you mean surge_instances?",
        ),
        (
            {"round_trip_ms_by_region": {"us-east1x": 20}},
            "round_trip_ms_by_region = 'us-east1x': did you mean us-east1",
        ),
        ({"round_trip_ms_by_region": {"us-east-1": -20}}, "round_trip_ms_by_region.us-east-1 = -20: must be"),
        ({"overheads": {"percent": True}}, "overheads.percent = true: must be a number"),
        (
            {"minimum_monthly_usd_by_provider": 20000},
            "minimum_monthly_usd_by_provider = 20000: must be a mapping of names to numbers",
        ),
        (
            {"minimum_monthly_usd_by_provider": {"aws": -1}},
            "minimum_monthly_usd_by_provider.aws = -1: must be at least 0",
        ),
        (
            {"minimum_monthly_usd_by_provider": {"asw": 1}},
            "minimum_monthly_usd_by_provider = 'asw': did you mean aws?",
        ),
        ({"providers": ["asw"]}, "providers = 'asw': did you mean aws?"),
        ({"gpus": ["H10"]}, "gpus = 'H10': did you mean H100"),
        ({"gpu_vendors": ["Nvidia"]}, "gpu_vendors = 'Nvidia': did you mean NVIDIA?"),
        ({"instance_types": ["p5.48xl"]}, "instance_types = 'p5.48xl': did you mean p5.48xlarge"),
        ({"tiers": ["ondemand"]}, "tiers = 'ondemand': did you mean on_demand?"),
        ({"region_kinds": ["gov"]}, "region_kinds = 'gov': "),
        ({"markets": ["flex"]}, "markets = 'flex': known: "),
        ({"regions": ["us-east1x"]}, "regions = 'us-east1x': did you mean us-east1"),
        (
            {"regions": ["eastus"], "providers": ["aws"]},
            "regions = 'eastus': belongs to azure, and providers",
        ),
        (
            {"instance_types": ["p5.48xlarge"], "providers": ["gcp"]},
            "instance_types = 'p5.48xlarge': belongs to aws",
        ),
    ],
)
def test_what_cannot_be_is_named_with_where_it_was_written(
    config: Config, book: PriceBook, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_policy(config, (layer(**fields),), book)
    assert str(caught.value).startswith(f"chat.yaml: policy: {message}")
    assert "\n" not in str(caught.value)


def test_the_layer_that_is_at_fault_is_the_one_that_is_named(config: Config) -> None:
    with pytest.raises(UsageError, match=r"^--set: max_spot_share = 2: must be at most 1"):
        resolve_policy(config, (layer(max_spot_share=0.5), PolicyLayer("--set", {"max_spot_share": 2})))


def test_overrides_are_told_apart_by_their_field() -> None:
    texts = ["max_spot_share=0.5", "overheads.percent = 3", "demand.scale=2", "gpus=[L4, H100]", "model=x=y"]
    policy, workload = split_overrides(
        "--set", [*texts, "policy.max_sites=null", "overheads.usd_per_month=9"]
    )
    assert policy.fields == {
        "max_spot_share": 0.5,
        "overheads": {"percent": 3, "usd_per_month": 9},
        "gpus": ["L4", "H100"],
        "max_sites": None,
    }
    assert workload == {"demand.scale": "2", "model": "x=y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_spot_share", "--set: override = 'max_spot_share': write it as FIELD=VALUE"),
        ("=3", "--set: override = '=3': write it as FIELD=VALUE"),
        (
            "max_spot_shar=1",
            "--set: max_spot_shar = '1': no such field of policy or workload; did you mean max_spot_share",
        ),
        ("gpus=[L4", "--set: gpus = '[L4': must be a YAML value"),
    ],
)
def test_an_override_that_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_overrides("--set", [text])
    assert str(caught.value).startswith(message)


def test_a_field_inside_a_plain_field_is_refused(config: Config) -> None:
    override, _ = split_overrides("--set", ["max_sites.most=3"])
    with pytest.raises(UsageError, match=r"^--set: max_sites = .*must be a whole number"):
        resolve_policy(config, (override,))
