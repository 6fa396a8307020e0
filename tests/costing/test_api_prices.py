"""Prices of token APIs from the library, against its own arithmetic and what its pages say, with no network."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider, Tier, TieredPrices

from optimiser.config import config_directories, load_config
from optimiser.config.api_models import ApiModel, load_api_models
from optimiser.costing import api_prices
from optimiser.costing.api_prices import HostPrice, host_prices, hosts_found, library_version
from optimiser.workload import SizeBucket

DAY = date(2026, 11, 21)
REVIEWED, MODELS = load_api_models(config_directories()[:1])
ONE_KILO = (SizeBucket(prompt_tokens=1000, output_tokens=100, share=1.0),)


def by_host(name: str, *buckets: SizeBucket) -> dict[str, HostPrice]:
    return {one.host: one for one in host_prices(MODELS[name], buckets or ONE_KILO, DAY)}


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_found_where_it_was_reviewed_and_nowhere_else(name: str) -> None:
    """An id that was renamed, or a new host, shows here: look at it, then change api_models.yaml."""
    assert REVIEWED is not None
    assert library_version() == REVIEWED.library
    assert hosts_found(MODELS[name]) == MODELS[name].hosts


def test_reviewed_models_are_those_of_models_yaml_and_no_id_is_two_models() -> None:
    assert MODELS.keys() <= load_config().models.keys()
    for provider in providers:
        for listed in provider.models:
            assert sum(one.is_meant(listed.id) for one in MODELS.values()) <= 1, listed.id


@pytest.mark.parametrize(
    "model_id",
    [
        "nvidia/llama-3.1-nemotron-70b-instruct",
        "nousresearch/hermes-3-llama-3.1-70b",
        "llama-3.1-lumimaid-70b",
    ],
)
def test_what_was_made_from_a_model_is_not_that_model(model_id: str) -> None:
    assert not MODELS["llama-3.1-70b"].is_meant(model_id)


def test_a_request_by_hand_with_and_without_a_cached_prefix() -> None:
    # Groq's gpt-oss-120b: 0.15 in, 0.075 cached, 0.60 out per 1M tokens. 1,000 in and 100 out: 0.00015 + 0.00006.
    groq = by_host("gpt-oss-120b")["groq"]
    assert (groq.input_usd_per_million, groq.output_usd_per_million) == (Decimal("0.15"), Decimal("0.6"))
    assert groq.usd_per_request == Decimal("0.00021")
    cached = SizeBucket(prompt_tokens=1000, output_tokens=100, share=1.0, cached_prefix_tokens=400)
    # 600 × 0.15 + 400 × 0.075 + 100 × 0.60 per million.
    assert by_host("gpt-oss-120b", cached)["groq"].usd_per_request == Decimal("0.00018")
    # Together has no price for what is cached: all of it counts as the rest.
    together = by_host("llama-3.3-70b", cached)["together"]
    assert together.cached_usd_per_million is None
    assert together.usd_per_request == by_host("llama-3.3-70b")["together"].usd_per_request


def test_a_mix_is_the_sum_of_its_sizes() -> None:
    mix = (
        SizeBucket(prompt_tokens=1000, output_tokens=100, share=0.75),
        SizeBucket(prompt_tokens=3000, output_tokens=500, share=0.25),
    )
    # 0.75 × 0.00021 + 0.25 × (3,000 × 0.15 + 500 × 0.60) / 1M.
    assert by_host("gpt-oss-120b", *mix)["groq"].usd_per_request == Decimal("0.000345")


def listed(model_id: str, *, deprecated: bool = False, **prices: object) -> ModelInfo:
    return ModelInfo(
        id=model_id,
        match=ClauseEquals(model_id),
        deprecated=deprecated,
        prices=ModelPrice(**prices),  # type: ignore[arg-type]
    )


def priced(monkeypatch: pytest.MonkeyPatch, **hosts: list[ModelInfo]) -> tuple[HostPrice, ...]:
    made = [Provider(id=name, name=name, api_pattern=name, models=found) for name, found in hosts.items()]
    monkeypatch.setattr("genai_prices.data.providers", made)
    return host_prices(ApiModel(name="m", ids="m(-fast|:free)?"), ONE_KILO, DAY)


def test_free_tiers_rows_without_a_price_and_what_is_deprecated_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paid = {"input_mtok": Decimal(1), "output_mtok": Decimal(2)}
    found = priced(
        monkeypatch,
        free=[listed("m:free", input_mtok=Decimal(0), output_mtok=Decimal(0))],
        half=[listed("m", input_mtok=Decimal(1))],
        old=[listed("m", deprecated=True, **paid)],
        paid=[listed("org/M", **paid)],
    )
    assert [(one.host, one.model_id) for one in found] == [("paid", "org/M")]


def test_a_host_stands_once_at_its_cheapest_and_not_again_by_way_of_hugging_face(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dear = {"input_mtok": Decimal(2), "output_mtok": Decimal(2)}
    cheap = {"input_mtok": Decimal(1), "output_mtok": Decimal(1)}
    found = priced(
        monkeypatch,
        huggingface_one=[listed("m", **cheap)],
        one=[listed("m-fast", **dear), listed("m", input_mtok=Decimal("1.5"), output_mtok=Decimal("1.5"))],
        huggingface_two=[listed("m", **cheap)],
    )
    assert [(one.host, one.input_usd_per_million) for one in found] == [("two", 1), ("one", Decimal("1.5"))]


def test_prices_that_rise_with_the_prompt_are_those_of_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rising = TieredPrices(base=Decimal(1), tiers=[Tier(start=500, price=Decimal(3))])
    (one,) = priced(monkeypatch, host=[listed("m", input_mtok=rising, output_mtok=Decimal(5))])
    # 1,000 tokens are past 500: all at 3; and 100 at 5.
    assert one.usd_per_request == Decimal("0.0035")
    assert one.input_usd_per_million == 3


def test_no_network_is_asked() -> None:
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from datetime import date\n"
        "from optimiser.config import config_directories\n"
        "from optimiser.config.api_models import load_api_models\n"
        "from optimiser.costing.api_prices import host_prices\n"
        "from optimiser.workload import SizeBucket\n"
        "_, models = load_api_models(config_directories()[:1])\n"
        "size = SizeBucket(prompt_tokens=1000, output_tokens=100, share=1.0)\n"
        "print(len(host_prices(models['gpt-oss-120b'], (size,), date(2026, 11, 21))))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 10


def test_the_library_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys\nimport optimiser.cli.app, optimiser.costing.api_break_even, optimiser.recommend\n"
        "print('genai_prices' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
    assert api_prices.INSTALL == "pip install 'cloud-pricing-optimiser[api]'"
