"""Runs that no GPU, model or clock allows are refused; bounds are worked by hand from data sheets."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from benchmarks import completed

from optimiser.errors import UsageError
from optimiser.measured.measurement import Measurement, Said
from optimiser.measured.reading import Reading

TODAY = date(2026, 11, 22)
# Llama 3.1 8B in bf16 on one H100: 6.98e9 weights in its layers and 0.53e9 in the head, 15.0 GB read a step at 3,350
# GB/s are 4.48 ms; 2 × 6.98e9 operations a token at 989 TFLOPS are 70,850 tokens a second.
OFFLINE = Reading(
    format="csv",
    prompt_tokens=1000,
    output_tokens=200,
    requests_per_second=20,
    model="llama-3.1-8b",
    gpu="H100",
    gpu_count=1,
    weight_precision="bf16",
    engine="vllm",
)
LOOP = replace(OFFLINE, concurrency=64, requests_per_second=10, tpot_ms=28, ttft_ms=300)


def kept(reading: Reading, said: Said | None = None, **changes: Any) -> Measurement:
    return completed(reading, said or Said(), TODAY, **changes)


def refused(reading: Reading, **changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        kept(reading, **changes)
    message = str(caught.value)
    assert message.startswith("run.csv: ")
    assert "\n" not in message
    return message


def test_more_operations_than_the_data_sheet_has_are_refused() -> None:
    # 70,850 tokens/s ÷ 1,200 tokens a request = 59.04 requests/s.
    assert kept(OFFLINE, requests_per_second=58.5).requests_per_second == 58.5
    assert "requests per second = 59.5: beyond the data sheet of 1 × H100" in refused(
        OFFLINE, requests_per_second=59.5
    )
    assert "requests per second = 5,000" in refused(OFFLINE, requests_per_second=5000)


def test_every_gpu_of_the_replica_and_every_replica_counts() -> None:
    four = Said(gpu_count=4, replicas=2)
    assert kept(OFFLINE, four, requests_per_second=4 * 58.5).requests_per_second == 2 * 58.5
    with pytest.raises(UsageError, match=r"requests per second = 119: beyond the data sheet of 2 × H100"):
        kept(OFFLINE, four, requests_per_second=4 * 59.5)


def test_8_bit_weights_have_the_peak_of_8_bit() -> None:
    assert kept(OFFLINE, requests_per_second=117, weight_precision="fp8").requests_per_second == 117
    assert "whose fp8 peak is 118" in refused(OFFLINE, requests_per_second=120, weight_precision="fp8")


def test_a_mixture_of_experts_computes_with_those_that_are_active() -> None:
    # Mixtral 8x7B: 12.9e9 of 46.7e9 weights; 989e12 ÷ (2 · 12.6e9 · 1200) = 32.7 requests/s of one GPU.
    mixtral = replace(OFFLINE, model="mixtral-8x7b", gpu_count=2)
    assert kept(mixtral, requests_per_second=60).requests_per_second == 60
    assert "beyond the data sheet" in refused(mixtral, requests_per_second=70)


def test_a_time_per_token_below_reading_the_weights_is_refused() -> None:
    # 4.48 ms at the data sheet's bandwidth, 4.87 at 92 % of it; the KV cache of one takes 0.05.
    alone = replace(LOOP, concurrency=1, requests_per_second=1.0, ttft_ms=None)
    assert kept(alone, tpot_ms=4.95).tpot_ms == 4.95
    assert "time per token = 4.8 ms: H100 × 1 read the weights in no less than 4.87 ms (92%" in refused(
        alone, tpot_ms=4.8
    )
    # Half as long where two GPUs read half each.
    assert kept(alone, tpot_ms=2.5, gpu_count=2, requests_per_second=2.0).tpot_ms == 2.5
    assert "H100 × 2" in refused(alone, tpot_ms=2.4, gpu_count=2, requests_per_second=2.0)


def test_where_no_time_per_token_was_measured_the_load_tells_it() -> None:
    # One in flight, 200 tokens of at least 4.92 ms: at most 1.02 requests/s.
    alone = replace(LOOP, concurrency=1, ttft_ms=None, tpot_ms=None)
    assert kept(alone, requests_per_second=1.0).requests_per_second == 1.0
    assert "time per token" in refused(alone, requests_per_second=1.1)


# 9 requests/s × 249 tokens × 25 ms are 56.0 sequences of 600 + 125 tokens on average, 131,072 bytes each: 5.32 GB
# beside 15.0 of weights, 23.5 ms at an L40S's 864 GB/s and 25.6 at 92 % of it.
L40S = replace(
    OFFLINE,
    gpu="L40S",
    prompt_tokens=600,
    output_tokens=250,
    requests_per_second=9,
    request_rate=9,
    tpot_ms=25,
)


def test_steps_too_short_for_weights_and_kv_cache_together_are_refused() -> None:
    message = refused(L40S)
    assert "time per token = 25 ms" in message
    assert "are 56.0" in message
    assert (
        "read the weights (18.88 ms) and their bf16 KV cache (6.698 ms) in no less than 25.58 ms" in message
    )
    assert "Prefixes read once for all and speculative decoding look just so" in message
    # Each alone is within: 58.3 sequences take 6.97 ms at 26 ms, 22.4 take 2.68 ms at 25 ms.
    assert kept(L40S, tpot_ms=26).tpot_ms == 26
    assert kept(L40S, requests_per_second=3.6, request_rate=3.6).tpot_ms == 25


def test_what_is_read_is_of_the_cache_said_and_of_all_gpus() -> None:
    # 8 bits: 3.35 ms in the place of 6.70.
    assert kept(L40S, kv_precision="fp8").kv_precision == "fp8"
    # Two GPUs: 9.44 ms of weights; at 12 ms 26.9 sequences take 1.61.
    assert kept(L40S, gpu_count=2, tpot_ms=12).gpu_count == 2
    assert "2 × L40S" in refused(L40S, gpu_count=2, tpot_ms=10.5)
    # No more sequences decode than are in flight: 48 take 5.74 ms, 24.6 in all.
    assert kept(L40S, request_rate=None, concurrency=48).concurrency == 48


def test_more_sequences_touch_more_experts() -> None:
    # Mixtral 8x7B on two H100: 12.9e9 weights a token are 4.1 ms at 92 % of 6,700 GB/s, all of the 46.7e9 15.1 ms.
    mixtral = replace(LOOP, model="mixtral-8x7b", gpu_count=2, ttft_ms=None)
    alone = replace(mixtral, concurrency=1, requests_per_second=0.8)
    assert kept(alone, tpot_ms=6).tpot_ms == 6
    # 30 × 199 × 10 ms = 60 sequences.
    many = replace(mixtral, request_rate=30, concurrency=None, requests_per_second=30)
    assert "read the weights in no less than 15" in refused(many, tpot_ms=10)
    assert kept(many, tpot_ms=20).tpot_ms == 20


def test_a_thousand_requests_a_second_at_a_third_of_a_millisecond_are_refused() -> None:
    assert "run.csv" in refused(LOOP, requests_per_second=1000, tpot_ms=0.3, concurrency=64, ttft_ms=None)


def test_a_time_per_token_in_microseconds_is_refused() -> None:
    offered = replace(LOOP, concurrency=None, request_rate=10.0, ttft_ms=None)
    assert "over 1,000 × what reading the weights takes (4.48 ms); is it in ms?" in refused(
        offered, tpot_ms=28_000
    )


def test_a_first_token_before_the_prompt_is_computed_is_refused() -> None:
    # 1,000 tokens ÷ 70,850 a second = 14.1 ms.
    offered = replace(LOOP, concurrency=None, request_rate=10.0)
    assert kept(offered, ttft_ms=14.5).ttft_ms == 14.5
    assert "TTFT = 13.5 ms" in refused(offered, ttft_ms=13.5)


def test_a_replica_that_always_has_work_is_not_idle() -> None:
    # One request alone takes 14.1 ms + 200 × 4.48 ms = 0.91 s at best; 50 of that are 45.5 s.
    busy = replace(LOOP, concurrency=32, tpot_ms=None, ttft_ms=None)
    assert "takes 2,000 s for each, over 50 ×" in refused(busy, requests_per_second=0.0005)
    assert "over 50 ×" in refused(busy, requests_per_second=1 / 46)
    assert kept(busy, requests_per_second=1 / 45).concurrency == 32
    # Of its own accord a request may come as seldom as it likes.
    assert kept(busy, concurrency=None, request_rate=0.0005, requests_per_second=0.0005, tpot_ms=9)


@pytest.mark.parametrize("rate", [5.3, 10.0])
def test_more_completed_than_offered_is_refused(rate: float) -> None:
    offered = replace(LOOP, concurrency=None, request_rate=5.0, requests=10_000)
    assert "more than the 5 that were offered" in refused(offered, requests_per_second=rate)


def test_a_few_requests_may_come_faster_than_their_mean() -> None:
    # 3 / √100 = 30 %, 3 / √10,000 = 3 %.
    offered = replace(LOOP, concurrency=None, request_rate=5.0)
    assert kept(offered, requests=100, requests_per_second=6.4).requests == 100
    assert kept(offered, requests=10_000, requests_per_second=5.1).requests == 10_000
    assert "offered" in refused(offered, requests=100, requests_per_second=6.6)


def test_a_closed_loop_has_about_its_requests_in_flight() -> None:
    # 10 × (0.3 + 199 × 0.028) = 58.7 of 64.
    assert kept(LOOP).concurrency == 64
    # 10 × (0.2 + 199 × 0.005) = 11.95.
    message = refused(LOOP, ttft_ms=200, tpot_ms=5)
    assert "concurrency = 64" in message
    assert "11.9 requests in flight, under 0.5 × those kept there" in message
    # 10 × (8 + 5.57) = 135.7, over twice the 64.
    assert "135.7 requests in flight, over 2 × those kept there" in refused(LOOP, ttft_ms=8000)


def test_a_run_of_few_rounds_may_hold_fewer_in_flight() -> None:
    few = replace(LOOP, tpot_ms=12, ttft_ms=100)
    # 10 × (0.1 + 199 × 0.012) = 24.9.
    assert kept(few, requests=200).requests == 200
    assert "24.9 requests in flight" in refused(few, requests=256)


def test_requests_longer_than_the_model_takes_are_refused() -> None:
    longest = replace(LOOP, prompt_tokens=130_872, requests_per_second=0.1, concurrency=4, ttft_ms=30_000)
    assert kept(longest).prompt_tokens == 130_872
    assert "tokens of a request = 131073: llama-3.1-8b takes at most 131,072" in refused(
        longest, prompt_tokens=130_873
    )
    assert "tokens of a request = 500200" in refused(OFFLINE, prompt_tokens=500_000)


def test_a_day_to_come_is_refused() -> None:
    assert kept(OFFLINE, measured_on=date(2026, 11, 23)).measured_on == date(2026, 11, 23)
    assert "measured on = '2099-01-01': is in the future" in refused(OFFLINE, measured_on=date(2099, 1, 1))


# Weights


@pytest.mark.parametrize(
    ("model", "precision", "gpu", "too_few", "enough"),
    [
        # 70.55e9 weights of 2 bytes are 141.1 GB; an H100 has 81,559 MiB, 85.5 GB.
        ("llama-3.1-70b", "bf16", "H100", 1, 2),
        # 811.7 GB: 8 have 684.
        ("llama-3.1-405b", "bf16", "H100", 8, 16),
        # 68.5e9 linear weights of 4.16 bits, 2.1e9 of 16: 39.8 GB; an A10G has 24.1, two have 48.3.
        ("llama-3.1-70b", "int4", "A10G", 1, 2),
    ],
)
def test_weights_larger_than_the_memory_of_all_gpus_are_refused(
    model: str, precision: str, gpu: str, too_few: int, enough: int
) -> None:
    big = replace(OFFLINE, model=model, weight_precision=precision, gpu=gpu, requests_per_second=0.2)
    message = refused(big, gpu_count=too_few)
    assert f"--weight-precision = '{precision}': the weights of {model} are " in message
    assert f"of {too_few} × {gpu}: was it quantised, or on more GPUs (--gpu-count)?" in message
    assert kept(big, gpu_count=enough).gpu_count == enough


def test_memory_is_that_of_one_replica_and_of_the_precision_served() -> None:
    big = replace(OFFLINE, model="llama-3.1-70b", gpu_count=2, requests_per_second=1.0)
    assert "are 141.1 GB then, more than the 85.52 GB of 1 × H100" in refused(replace(big, replicas=2))
    # 72.7 GB of 85.5.
    assert kept(big, replicas=2, weight_precision="fp8").gpu_count == 1


def test_the_mebibytes_that_the_driver_reports_count() -> None:
    # 93.4 GB are more than 85.5, and less than the 95,830 MiB (100.5 GB) of an H100 NVL.
    mixtral = replace(OFFLINE, model="mixtral-8x7b", gpu_count=1, requests_per_second=1.0)
    assert "93.41 GB" in refused(mixtral)
    assert kept(mixtral, gpu="H100-NVL").gpu == "H100-NVL"


@pytest.mark.parametrize(
    ("gpu", "precision", "why"),
    [
        ("V100", "fp8", "fp8 weights need Ampere or newer, which V100 is not"),
        ("T4", "fp4", "fp4 weights need Ampere or newer, which T4 is not"),
        ("V100", "int8", "int8 weights and activations need int8 tensor cores; V100 has none"),
    ],
)
def test_weights_that_a_gpu_cannot_serve_are_refused(gpu: str, precision: str, why: str) -> None:
    old = replace(OFFLINE, gpu=gpu, requests_per_second=0.5)
    assert f"--weight-precision = '{precision}': {why}" in refused(old, weight_precision=precision)
    assert kept(old, weight_precision="int4").gpu == gpu


def test_weights_that_a_gpu_unpacks_to_16_bit_are_kept() -> None:
    assert kept(OFFLINE, weight_precision="fp4", requests_per_second=20.0).weight_precision == "fp4"
    assert kept(OFFLINE, weight_precision="fp8", gpu="A100-80GB").weight_precision == "fp8"
