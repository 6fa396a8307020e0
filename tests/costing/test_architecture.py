"""DeepSeek-V2 in the place of DeepSeek 67B: published figures (arXiv 2405.04434) out of the code that estimates."""

from __future__ import annotations

import pytest
from lever_requests import CONFIG, small_request

from optimiser.costing.architecture import Compared, compared
from optimiser.performance.parameters import parameter_count
from optimiser.report.architecture_list import render_compared


@pytest.fixture(scope="module")
def deepseek() -> tuple[Compared, ...]:
    # H800s have an H100's compute and memory; DeepSeek gives no lengths of requests.
    request = small_request({"model": "deepseek-67b", "sizes": "{prompt_tokens: 1000, output_tokens: 1000}"})
    return compared(request, "deepseek-v2", 6)


def test_the_kv_cache_shrinks_as_published(deepseek: tuple[Compared, ...]) -> None:
    before, architecture, weights, cache = (one.served for one in deepseek)
    # 95 layers · 8 KV heads · 128 · 2 elements of 2 bytes; 60 layers · (512 + 64) elements of 2 bytes, then of 6 bit.
    assert before.kv_bytes_per_token == 194_560 * 2
    assert architecture.kv_bytes_per_token == weights.kv_bytes_per_token == 34_560 * 2
    assert cache.kv_bytes_per_token == 34_560 * 6 / 8
    shares = [round(100 * one.kv_saved_share, 1) for one in deepseek]
    assert shares == [0, 82.2, 82.2, 93.3]


def test_computing_alone_would_give_more_than_was_published_and_the_estimate_less(
    deepseek: tuple[Compared, ...],
) -> None:
    """5.76 × was published: 66.6B / 20.9B active weights × 2 for fp8 = 6.39 if computing alone limited both."""
    last = deepseek[-1]
    (rate,) = last.rates
    assert rate.gpu == "H100"
    assert last.flops_times_fewer == pytest.approx(66.59 / 20.85, rel=1e-3)
    assert rate.compute_times == pytest.approx(2 * last.flops_times_fewer)
    assert rate.times is not None
    assert 4 < rate.times < 5.76 < rate.compute_times
    # Neither MLA alone, in 16 bit with 471 GB of weights on 8 × 80 GB or on two such machines as one replica, nor its
    # smaller cache make most of it.
    by_step = [one.rates[0].times or 0 for one in deepseek]
    assert by_step[1] < by_step[3] / 2
    assert by_step[1] < by_step[2] < by_step[3]


def test_deepseek_67b_has_its_published_size() -> None:
    assert parameter_count(CONFIG.models["deepseek-67b"]) == pytest.approx(67.4e9, rel=1e-3)


def test_steps_that_change_nothing_are_left_out() -> None:
    request = small_request({"model": "llama-3.1-70b", "weight_precision": "fp8", "kv_precision": "fp8"})
    steps = compared(request, "llama-3.1-8b", 8)
    assert [one.served.what for one in steps] == ["as it is", "the other architecture"]


def test_it_is_said_in_every_format(deepseek: tuple[Compared, ...]) -> None:
    text = render_compared("table", "chat", deepseek, colour=False)
    assert "−93.3 %" in text
    assert "6.39 ×" in text
    lines = render_compared("csv", "chat", deepseek, colour=False).splitlines()
    assert len(lines) == 1 + len(deepseek)
    assert '"kv_bytes_per_token": 25920.0' in render_compared("json", "chat", deepseek, colour=False)
