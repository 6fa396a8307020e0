"""A training job's file: what it means, and what is said of one that is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimiser import UsageError, load_config
from optimiser.costing.training.job import LoraJob, Method, States, Storage
from optimiser.costing.training.job_file import POLICY_FIELDS, load_job
from optimiser.policy import Policy

TODAY = date(2026, 11, 21)
LEAST: dict[str, Any] = {
    "name": "job", "model": "llama-3.1-8b", "method": "full", "tokens": 1.0e9, "sequence_tokens": 4096,
}  # fmt: skip


def written(folder: Path, **fields: Any) -> Path:
    path = folder / "job.yaml"
    given = {name: value for name, value in {**LEAST, **fields}.items() if value is not None}
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return path


def test_what_is_left_out_has_its_documented_default(tmp_path: Path) -> None:
    found = load_job(written(tmp_path), TODAY)
    assert (found.batch_tokens, found.batch_sequences) == (64 * 4096, 64)
    assert (found.deadline_hours, found.deadline_said) == (90 * 24, "no deadline is given")
    assert (found.precision, found.states, found.flash_attention) == ("bf16", States.FP32, True)
    assert found.storage == Storage(dataset_gb=0, checkpoints_kept=3, usd_per_gb_month=0.023)
    assert load_job(written(tmp_path, method="pretraining"), TODAY).batch_tokens == 4_194_304
    assert load_job(written(tmp_path, tokens=8192), TODAY).batch_tokens == 8192


def test_every_field_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, method="qlora", batch_tokens=65536, optimiser_states="8bit", lora={"rank": 8, "targets": "attention"},
        flash_attention=False, finish_by="2026-12-01", policy={"providers": ["aws"]},
        storage={"dataset_gb": 5, "checkpoints_kept": 2, "checkpoint_gb": 7, "usd_per_gb_month": 0.01},
    )  # fmt: skip
    found = load_job(path, TODAY, {"tokens": "2.0e+9", "lora.rank": "32"})
    assert (found.method, found.tokens, found.states) == (Method.QLORA, 2e9, States.EIGHT_BIT)
    assert (found.lora, found.flash_attention) == (LoraJob(rank=32, attention_only=True), False)
    # From the end of the 21st to the beginning of the 1st are nine days.
    assert (found.deadline_hours, found.deadline_said) == (
        9 * 24,
        "finish_by = 2026-12-01, from the end of 2026-11-21",
    )
    assert found.storage == Storage(dataset_gb=5, checkpoints_kept=2, checkpoint_gb=7, usd_per_gb_month=0.01)
    assert found.policy == {"providers": ["aws"]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"methd": "full"}, "methd = 'full': no such field; did you mean method?"),
        ({"method": "dpo"}, "method = 'dpo': must be 'pretraining', 'full', 'lora' or 'qlora'"),
        ({"tokens": None}, "tokens is missing"),
        ({"tokens": True}, "tokens = true: must be a number, not true or false"),
        ({"tokens": -1}, "tokens = -1: must be above 0"),
        ({"sequence_tokens": 4096.5}, "sequence_tokens = 4096.5: must be a whole number"),
        ({"batch_tokens": 100}, "batch_tokens = 100.0: from one sequence (4,096) to all tokens"),
        ({"tokens": 1}, "tokens = 1.0: one sequence at the least (sequence_tokens = 4,096)"),
        ({"precision": "fp4"}, "precision = 'fp4': must be 'bf16' or 'fp8'"),
        ({"method": "lora", "precision": "fp8"}, "precision = 'fp8': bf16: adapters"),
        ({"lora": {"rank": 8}}, "goes with method lora or qlora, not full: leave it out (--set lora=null)"),
        ({"method": "lora", "lora": {"rnk": 8}}, "lora.rnk = 8: no such field; did you mean rank?"),
        ({"storage": {"dataset_gb": -1}}, "storage.dataset_gb = -1: must be at least 0"),
        ({"deadline_days": 0}, "deadline_days = 0: must be above 0"),
        ({"deadline_days": 3, "finish_by": "2026-12-01"}, "give it or deadline_days, not both"),
        ({"finish_by": "notadate"}, "finish_by = 'notadate': must be a date (a date such as 2027-03-01)"),
        ({"finish_by": "2026-02-30"}, "finish_by = '2026-02-30': there is no such day (a date such as"),
        (
            {"finish_by": date(2026, 11, 22)},
            "must leave 1 to 3,650 days: from the end of 2026-11-21, which is planned on, it is 0",
        ),
        ({"finish_by": date(2036, 11, 21)}, "finish_by = 2036-11-21: must leave 1 to 3,650 days"),
        ({"deadline_days": 3651}, "deadline_days = 3651: must be at most 3650"),
        (
            {"policy": {"max_spot_share": 0.5}},
            "max_spot_share = 0.5: is a share of capacity that serves",
        ),
        ({"policy": {"max_site": 1}}, "max_site = 1: means nothing for a training job"),
        (
            {"policy": {"utilisation_ceiling": 0.5}},
            "utilisation_ceiling = 0.5: means nothing for a training job",
        ),
    ],
)
def test_a_wrong_file_is_told_by_field_and_value(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    path = written(tmp_path, **fields)
    with pytest.raises(UsageError) as fault:
        load_job(path, TODAY)
    assert str(fault.value).startswith(str(path))
    assert said in str(fault.value)


def test_a_typed_deadline_takes_the_place_of_the_files(tmp_path: Path) -> None:
    by_days = written(tmp_path, deadline_days=3)
    assert load_job(by_days, TODAY, {"finish_by": "2026-12-01"}).deadline_hours == 216
    assert load_job(by_days, TODAY, {"finish_by": "null"}).deadline_hours == 72
    with pytest.raises(UsageError, match="not both"):
        load_job(by_days, TODAY, {"finish_by": "2026-12-01", "deadline_days": "4"})
    by_date = written(tmp_path, finish_by="2026-12-01")
    assert load_job(by_date, TODAY, {"deadline_days": "4"}).deadline_hours == 96


def test_a_date_may_leave_from_one_day_to_ten_years(tmp_path: Path) -> None:
    for day, days in ((date(2026, 11, 23), 1), (date(2036, 11, 19), 3650)):
        assert load_job(written(tmp_path, finish_by=day), TODAY).deadline_hours == days * 24


def test_a_workload_is_told_that_it_is_one() -> None:
    config = load_config()
    with pytest.raises(UsageError, match=r"is a workload, which `optimiser recommend` plans"):
        load_job(config.find_workload("chat-llama-70b"), TODAY)


def test_the_policy_of_jobs_has_fields_that_exist() -> None:
    assert set(POLICY_FIELDS) <= set(Policy.model_fields)


@pytest.mark.parametrize("name", ["pretrain-llama-7b", "qlora-llama-70b"])
def test_the_shipped_jobs_are_found_by_name_and_read(name: str) -> None:
    config = load_config()
    found = load_job(config.find_job(name), TODAY)
    assert found.name == name
    config.find_model(found.model)


def test_an_unknown_job_is_answered_with_those_near() -> None:
    with pytest.raises(UsageError, match=r"job 'pretrain-llama-8b': .*did you mean pretrain-llama-7b"):
        load_config().find_job("pretrain-llama-8b")
