"""The list of what every instance type would do: complete as JSON, and a table that counts types once."""

import json
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from optimiser.performance.estimate_types import Estimate, LoadPoint, Rejection, Setup
from optimiser.planning.token_costs import TokenCost
from optimiser.report.estimate_list import EstimateRow, estimate_document, estimate_rows
from optimiser.report.records import render_records
from optimiser.report.text_layout import text_of
from optimiser.workload import Workload, load_workload
from providers.shape import InstanceShape, Obtainability

SETUP = Setup(
    weight_precision="fp8", kv_precision="bf16",
    tensor_parallel=8, pipeline_parallel=1, instances_per_unit=1, replicas_per_unit=1,
)  # fmt: skip
POINT = LoadPoint(
    utilisation=1.0, requests_per_second=10.0, concurrency_per_replica=40.0, ttft_ms=900.0, tpot_ms=40.0
)
ESTIMATE = Estimate(
    provider="aws",
    instance_type="p5.48xlarge",
    gpu="H100",
    engine="vllm 0.19",
    setup=SETUP,
    requests_per_second=10.0,
    bucket_requests_per_second=(20.0, 5.0),
    ttft_ms=900.0,
    tpot_ms=40.0,
    bucket_ttft_ms=(300.0, 1200.0),
    unloaded_ttft_ms=250.0,
    concurrency_per_replica=40.0,
    kv_room_tokens_per_replica=123_456.0,
    weights_gib_per_gpu=65.5,
    prefill_time_share=0.4,
    limited_by="tpot",
    load_points=(POINT,),
    method="by hand",
    relative_error=0.1,
    low_confidence=False,
)
OUT = Rejection(
    provider="aws", instance_type="g6.xlarge", gpu="L4", code="ttft", reason="too slow", best_ttft_ms=9000.0
)


def cost(made: Estimate = ESTIMATE, usd: str | None = None) -> TokenCost:
    amount = None if usd is None else Decimal(usd)
    return TokenCost(estimate=made, planned_rps=9.0, offer=None, usd_per_million_tokens=amount)


def shape(instance_type: str, obtainability: Obtainability) -> InstanceShape:
    return InstanceShape(
        provider="aws", instance_type=instance_type, gpu="H100", gpu_count=8, vcpus=192, memory_gib=2048.0,
        gpu_link="nvlink", network_gbps=3200.0, obtainability=obtainability, quota_family="P", quota_unit="vcpu",
    )  # fmt: skip


def rows(*costs: TokenCost, obtainability: Obtainability = Obtainability.SCARCE) -> list[EstimateRow]:
    names = {one.estimate.instance_type for one in costs} | {OUT.instance_type}
    return estimate_rows(costs, (OUT,), {("aws", name): shape(name, obtainability) for name in names})


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    path = tmp_path_factory.mktemp("estimate") / "chat.yaml"
    path.write_text(
        "name: chat\nmodel: llama-3.1-8b\ntarget: {ttft_ms: 2000, tpot_ms: 50, percentile: 95}\n"
        "demand: {requests_per_second: 2}\nsizes: {prompt_tokens: 800, output_tokens: 200}\n",
        encoding="utf-8",
    )
    return load_workload(path)


def table(workload: Workload, found: list[EstimateRow]) -> str:
    return " ".join(text_of(estimate_document(workload, found)).split())


def test_json_holds_every_field_of_setup_estimate_and_rejection() -> None:
    served, out = json.loads(render_records("json", rows(cost()), lambda: pytest.fail("a table")))
    for part in (SETUP, ESTIMATE):
        for field in fields(part):
            if field.name not in ("setup", "load_points"):
                value: Any = getattr(part, field.name)
                assert served[field.name] == (list(value) if isinstance(value, tuple) else value), field.name
    assert served["load_points"] == [{field.name: getattr(POINT, field.name) for field in fields(POINT)}]
    assert served["planned_rps"] == 9.0
    assert {name: out[name] for name in ("rejected", "reason", "best_ttft_ms", "best_tpot_ms")} == {
        "rejected": "ttft", "reason": "too slow", "best_ttft_ms": 9000.0, "best_tpot_ms": None,
    }  # fmt: skip


def test_csv_keeps_lists_readable() -> None:
    text = render_records("csv", rows(cost()), lambda: pytest.fail("a table"))
    assert "300.0; 1200.0" in text
    assert '""utilisation"": 1.0' in text


def test_the_first_line_counts_instance_types_once(workload: Workload) -> None:
    pairs = replace(ESTIMATE, setup=replace(SETUP, instances_per_unit=2))
    fours = replace(ESTIMATE, setup=replace(SETUP, instances_per_unit=4))
    other = replace(ESTIMATE, instance_type="p5en.48xlarge")
    said = "chat: 2 instance types serve it, 1 do not (llama-3.1-8b on vllm, p95 TTFT 2,000 ms, TPOT 50 ms)"
    printed = text_of(estimate_document(workload, rows(cost(pairs), cost(fours), cost(other))))
    assert " ".join(printed.split()).startswith(said)
    assert table(workload, rows(cost(pairs), cost(fours))).startswith("chat: 1 instance type serves it, 1 do")


def test_the_set_up_is_named_for_what_it_is(workload: Workload) -> None:
    spread = table(
        workload, rows(cost(replace(ESTIMATE, setup=replace(SETUP, attention_data_parallel=True))))
    )
    assert " DP8+EP " in spread
    assert "TP8" not in spread
    assert "DP+EP: GPUs with data-parallel attention, experts spread over them" in spread
    copies = replace(SETUP, tensor_parallel=2, pipeline_parallel=2, replicas_per_unit=2)
    plain = table(workload, rows(cost(replace(ESTIMATE, setup=copies))))
    assert " TP2+PP2×2 " in plain
    assert "DP" not in plain


def test_a_question_mark_has_the_notes_behind_it_and_others_keep_theirs(workload: Workload) -> None:
    sure = replace(ESTIMATE, notes=("served in fp16",))
    doubted = replace(
        sure, instance_type="p5en.48xlarge", notes=("KV cache for 3 requests",), low_confidence=True
    )
    printed = table(workload, rows(cost(sure), cost(doubted)))
    assert " 10? " in printed
    assert "? 8×H100: KV cache for 3 requests." in printed
    assert "served in fp16" not in printed


@pytest.mark.parametrize(
    ("obtainability", "said"),
    [
        (Obtainability.SCARCE, "no price"),
        (Obtainability.RESERVATION_ONLY, "reservation"),
        (Obtainability.SPOT_ONLY, "spot only"),
    ],
)
def test_what_has_no_price_on_demand_says_why(
    workload: Workload, obtainability: Obtainability, said: str
) -> None:
    text = table(workload, rows(cost(), obtainability=obtainability))
    assert f" — {said} " in text
    assert ("since not on demand" in text) is (said != "no price")


def test_the_cheapest_token_comes_first_and_what_is_out_last() -> None:
    dear, cheap = (replace(ESTIMATE, instance_type=name) for name in ("a", "b"))
    found = rows(cost(dear, "2"), cost(replace(ESTIMATE, instance_type="c")), cost(cheap, "1"))
    assert [row.instance_type for row in found] == ["b", "a", "c", "g6.xlarge"]
