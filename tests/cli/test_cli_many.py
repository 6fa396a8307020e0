"""`optimiser recommend A B …`: each workload planned apart, whatever becomes of the others."""

import csv
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from many_workloads import CHAT, FEW, folder_of_workloads

from optimiser.apart import Shared, plan_apart
from optimiser.cli.question import asking, request_for
from optimiser.recommend import Request

Run = Callable[..., Any]
Fails = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_workloads(tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def shared_and_request(folder: Path) -> tuple[Shared, Request]:
    policy = {"gpus": ("--gpu", ["L4"]), "providers": ("--provider", ["gcp"])}
    asked = asking(directory=None, as_of="2026-11-21", settings=(), options=policy, embedded=True)
    shared = Shared(config=asked.config, book=asked.book, format_name=None, explain=False)
    return shared, request_for(asked, str(folder / "chat.yaml"))


def test_every_workload_has_its_line_and_the_bytes_are_the_same_on_any_number_of_processes(
    run: Run, folder: Path
) -> None:
    alone, spread = (
        run("recommend", str(folder), *FEW, "--format", "json", "--jobs", jobs) for jobs in ("1", "2")
    )
    assert (spread.code, spread.out, spread.err) == (alone.code, alone.out, alone.err)
    assert alone.code == 3
    busy, chat, impossible, misspelt, quiet = map(json.loads, alone.out.splitlines())
    assert [one["services"][0]["name"] for one in (busy, chat, quiet)] == ["busy", "chat", "quiet"]
    assert chat == json.loads(run("recommend", str(folder / "chat.yaml"), *FEW, "--format", "json").out)
    assert (impossible["workload"], impossible["exit_code"]) == ("impossible", 3)
    assert (misspelt["workload"], misspelt["exit_code"]) == ("misspelt", 2)
    said = alone.err.splitlines()
    assert said == [f"error: {impossible['error']}", f"error: {misspelt['error']}"]
    assert "TTFT" in said[0]
    assert f"{folder / 'misspelt.yaml'}: model 'llama-3.1-9b'" in said[1]


def test_the_table_has_every_workload_and_what_all_cost(run: Run, folder: Path) -> None:
    pattern = str(folder / "[bcm]*.yaml")
    ran = run("recommend", pattern, *FEW, "--jobs", "1")
    assert ran.code == 2
    assert ran.out.startswith("2 of 3 workloads planned apart: $")
    assert max(map(len, ran.out.splitlines())) <= 100
    rows = list(csv.DictReader(io.StringIO(run("recommend", pattern, *FEW, "--format", "csv").out)))
    assert [row["workload"] for row in rows] == ["busy", "chat", "misspelt"]
    busy, chat, misspelt = rows
    plan = json.loads(run("recommend", str(folder / "busy.yaml"), *FEW, "--format", "json").out)
    assert busy["monthly_usd"] == plan["totals"]["total_monthly_usd"]
    assert float(busy["monthly_usd"]) > float(chat["monthly_usd"])
    assert (misspelt["exit_code"], misspelt["monthly_usd"], misspelt["gap"]) == ("2", "", "")
    table = run("recommend", pattern, *FEW, "--format", "markdown").out
    assert "| misspelt | no plan |" in table
    assert "- workload" not in table


def test_a_workload_given_twice_is_planned_once_and_that_is_said(run: Run, folder: Path) -> None:
    chat, busy = str(folder / "chat.yaml"), str(folder / "busy.yaml")
    ran = run("recommend", chat, busy, chat, *FEW, "--format", "csv")
    assert [row["workload"] for row in csv.DictReader(io.StringIO(ran.out))] == ["chat", "busy"]
    assert ran.err == f"note: {chat} is given twice: planned once\n"


def test_a_directory_for_output_gets_a_file_for_each_plan_as_it_is_alone(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    plans = tmp_path / "new" / "plans"
    plans.mkdir(parents=True)
    (plans / "impossible.json").write_text("{}", encoding="utf-8")
    ran = run("recommend", str(folder), *FEW, "--format", "json", "--jobs", "1", "--output", str(plans))
    assert ran.code == 3
    assert ran.out.startswith("3 of 5 workloads planned apart: $")
    assert sorted(path.name for path in plans.iterdir()) == [
        "busy.json", "chat.json", "impossible.json", "quiet.json",
    ]  # fmt: skip
    alone = run("recommend", str(folder / "chat.yaml"), *FEW, "--format", "json").out
    assert (plans / "chat.json").read_text(encoding="utf-8") == alone
    assert f"({plans / 'impossible.json'} is of an earlier run)" in ran.err
    assert ran.err.endswith(f"wrote 3 of 5 plans to {plans}\n")


def test_a_list_says_of_each_plan_what_the_whole_plan_says(
    shared_and_request: tuple[Shared, Request],
) -> None:
    shared, request = shared_and_request
    listed, whole = (
        next(plan_apart(replace(shared, format_name=name), [("chat", request)], jobs=1, cluster=None))
        for name in (None, "json")
    )
    assert listed.row == whole.row
    assert listed.row.saved_share is not None
    assert (listed.text, json.loads(whole.text)["services"][0]["name"]) == ("", "chat")


def test_a_plan_that_cannot_be_written_has_failed_and_the_others_are_there(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "chat.txt").mkdir()
    names = [str(folder / f"{name}.yaml") for name in ("busy", "chat", "quiet")]
    ran = run("recommend", *names, *FEW, "--jobs", "1", "--explain", "--output", str(tmp_path))
    assert ran.code == 2
    assert "error: chat: --output: file = " in ran.err
    assert (tmp_path / "busy.txt").read_text(encoding="utf-8").startswith("busy: $")
    assert "\nRejected\n" in (tmp_path / "quiet.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{folder}/../empty",), 2, "empty': no workload file (.yaml) is there"),
        (("{folder}/*.json",), 2, "*.json': no file is of that pattern"),
        (("{folder}", "--explain"), 2, "--explain: a table of many plans has no room: give --output DIR"),
        (("{folder}", "--format", "xml"), 2, "--format: format = 'xml'"),
        (
            ("{folder}", "--output", "{folder}/chat.yaml"),
            2,
            "many plans are written into a directory: File exists",
        ),
        (("{folder}", "--cluster", "spark://here:1"), 2, "'spark://here:1': dask://HOST:PORT"),
        (("{folder}", "--cluster", "dask://"), 2, "'dask://': dask://HOST:PORT"),
        (("{folder}/chat.yaml", "--cluster", "dask://here:1"), 2, "one workload is planned here"),
        (("{folder}", "--cluster", "dask://here:1"), 2, "pip install 'cloud-pricing-optimiser[dask]'"),
        (("{folder}", "--cluster", "ray://here:1"), 2, "pip install 'cloud-pricing-optimiser[ray]'"),
        (
            ("{folder}", "{folder}/../chat.yaml", "--output", "{folder}/../plans"),
            2,
            "would both be written as 'chat'",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_planned(
    fails: Fails,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    (folder.parent / "empty").mkdir(exist_ok=True)
    (folder.parent / "chat.yaml").write_text(CHAT, encoding="utf-8")
    typed = (argument.format(folder=folder) for argument in arguments)
    assert message in fails(code, "recommend", *typed, *FEW)


def test_jobs_of_none_are_wrong_use(run: Run, folder: Path) -> None:
    ran = run("recommend", str(folder), *FEW, "--jobs", "0")
    assert (ran.code, ran.out) == (2, "")
    assert "--jobs" in ran.err


def test_what_is_not_shared_by_plans_made_apart_is_said(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "owned.yaml").write_text(
        "- {provider: gcp, region: us-east4, instance_type: g2-standard-4, instances: 1, ends: 2027-06-30}\n",
        encoding="utf-8",
    )
    pair = [str(folder / "chat.yaml"), str(folder / "quiet.yaml")]
    ran = run("recommend", *pair, *FEW, "--jobs", "1", "--config", str(tmp_path))
    assert "warning: planned apart, every workload counts the machines of owned.yaml as its own\n" in ran.err


@dataclass
class EndsItsProcess:
    """Whoever unpickles it is gone, as a process is that the kernel kills for want of memory."""

    def __reduce__(self) -> tuple[Callable[[int], object], tuple[int]]:
        return os._exit, (9,)


def test_a_process_that_dies_takes_only_the_workload_with_it_that_killed_it(
    shared_and_request: tuple[Shared, Request],
) -> None:
    shared, good = shared_and_request
    deadly = replace(good, spot_past=EndsItsProcess())  # type: ignore[arg-type]
    asked = [("first", good), ("deadly", deadly), ("last", good)]
    answers = list(plan_apart(shared, asked, jobs=2, cluster=None))
    assert [answer.row.workload for answer in answers] == [name for name, _ in asked]
    assert [answer.row.exit_code for answer in answers] == [0, 1, 0]
    assert "deadly: its process died at work" in answers[1].row.why_no_plan


def test_a_fault_of_ours_in_one_costs_no_other(shared_and_request: tuple[Shared, Request]) -> None:
    shared, good = shared_and_request
    faulty = replace(good, policy=None)  # type: ignore[arg-type]
    answers = list(plan_apart(shared, [("faulty", faulty), ("good", good)], jobs=1, cluster=None))
    assert [answer.row.exit_code for answer in answers] == [1, 0]
    assert "faulty: unforeseen AttributeError at estimating.py line" in answers[0].row.why_no_plan


def test_what_workloads_share_travels_whole(shared_and_request: tuple[Shared, Request]) -> None:
    shared, request = shared_and_request
    config, book, workload = (
        pickle.loads(pickle.dumps(value))  # noqa: S301 (our own)
        for value in (shared.config, shared.book, request.workload)
    )
    assert (config, workload) == (shared.config, request.workload)
    assert book.offers.equals(shared.book.offers)
    assert (book.as_of, book.notes, book.quotas) == (shared.book.as_of, shared.book.notes, shared.book.quotas)


def test_an_interrupt_ends_every_process_in_silence(folder: Path, tmp_path: Path) -> None:
    names = []
    for number in range(40):
        path = tmp_path / f"{number}.yaml"
        path.write_text((folder / "chat.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        names.append(str(path))
    started = subprocess.Popen(
        [sys.executable, "-m", "optimiser.cli", "recommend", *names, *FEW, "--format", "json", "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    started.stdout.readline()
    # As from a keyboard: the whole group hears it.
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (130, "")
    until = time.monotonic() + 10
    while _group_lives(started.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _group_lives(started.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_workload_pays_for_no_pool() -> None:
    code = (
        "import sys\nfrom optimiser.cli import main\n"
        f"main(['recommend', 'chat-llama-70b', '--gpu', 'L40S', *{FEW[2:]!r}])\n"
        "print(sorted({'joblib', 'distributed', 'ray', 'optimiser.apart'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
