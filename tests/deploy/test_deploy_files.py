"""config/deploy: schedulers accept the files, and every command line in them is one that `optimiser` takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from optimiser.cli.app import app

DEPLOY = Path(__file__).parents[2] / "config" / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
PROGRAM = "/opt/optimiser/bin/optimiser"
CRON_FIELD = re.compile(r"\*|\d+")
OLDEST_CLUSTER, NEWEST_CLUSTER = "1.27", "1.37"


def options_of(arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of arguments; typer refuses what it does not know."""
    commands: Any = typer.main.get_command(app)
    while isinstance(commands, typer.core.TyperGroup):
        commands = commands.commands[arguments.pop(0)]
    with commands.make_context(commands.name, arguments) as context:
        return dict(context.params)


def entries(unit: Path) -> list[tuple[str, str, str]]:
    """(section, name, value) of each line of a unit file."""
    found, section = [], ""
    for line in unit.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        name, equals, value = line.partition("=")
        assert equals, line
        found.append((section, name, value))
    return found


def value_of(unit: Path, name: str) -> str:
    (value,) = [value for _, known, value in entries(unit) if known == name]
    return value


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed; the tests below read the units all the same")
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "optimiser" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("service", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_hardened_and_hides_no_failure(service: Path) -> None:
    names = {(section, name): value for section, name, value in entries(service)}
    assert names["Service", "Type"] == "oneshot"
    assert names["Service", "ProtectSystem"] == "strict"
    assert names["Service", "NoNewPrivileges"] == "yes"
    assert names["Service", "User"] == "optimiser"
    assert not any("SuccessExitStatus" in name for _, name in names)
    assert service.with_suffix(".timer") in UNITS


@pytest.mark.parametrize("service", SERVICES, ids=lambda unit: unit.name)
def test_a_service_writes_where_it_may(service: Path) -> None:
    options = options_of(shlex.split(value_of(service, "ExecStart").removeprefix(PROGRAM)))
    state = f"/var/lib/{value_of(service, 'StateDirectory')}"
    store = value_of(service, "Environment").removeprefix("OPTIMISER_STORE=sqlite:///")
    assert {Path(store).parent, options["report"].parent, options["metrics"].parent} == {Path(state)}


def test_systemd_runs_all_tiers_nightly_and_spot_hourly() -> None:
    timers = {unit.stem: unit for unit in UNITS if unit.suffix == ".timer"}
    assert value_of(timers["optimiser-refresh"], "OnCalendar") == "*-*-* 02:17:00"
    assert value_of(timers["optimiser-refresh-spot"], "OnCalendar") == "*-*-* *:47:00"
    for timer in timers.values():
        assert value_of(timer, "Persistent") == "true"
        assert value_of(timer, "RandomizedDelaySec").endswith("min")
    tiers = {
        unit.stem: options_of(shlex.split(value_of(unit, "ExecStart").removeprefix(PROGRAM)))["tier"]
        for unit in SERVICES
    }
    assert {stem: list(found or []) for stem, found in tiers.items()} == {
        "optimiser-refresh": [],
        "optimiser-refresh-spot": ["spot"],
    }


def documents(manifest: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifest.read_text(encoding="utf-8")))


def jobs(manifest: Path) -> list[dict[str, Any]]:
    return [document for document in documents(manifest) if document["kind"] == "CronJob"]


@pytest.mark.parametrize("cluster", [OLDEST_CLUSTER, NEWEST_CLUSTER])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_accepts_the_manifests(manifest: Path, cluster: str) -> None:
    for document in documents(manifest):
        kubernetes_validate.validate(document, cluster, strict=True)


def test_the_validation_would_notice_a_slip() -> None:
    slip = jobs(MANIFESTS[0])[0]
    slip["spec"]["concurencyPolicy"] = "Forbid"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slip, NEWEST_CLUSTER, strict=True)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_runs_all_tiers_nightly_and_spot_hourly(manifest: Path) -> None:
    found = {}
    for job in jobs(manifest):
        spec = job["spec"]
        assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
        (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        found[spec["schedule"]] = options_of(list(container["args"]))["tier"]
    assert {schedule: list(tier or []) for schedule, tier in found.items()} == {
        "17 2 * * *": [],
        "47 * * * *": ["spot"],
    }


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_every_volume_that_is_mounted_is_there_and_the_store_lies_on_a_claim_or_in_a_secret(
    manifest: Path,
) -> None:
    claims = {
        one["metadata"]["name"] for one in documents(manifest) if one["kind"] == "PersistentVolumeClaim"
    }
    for job in jobs(manifest):
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == set(volumes)
        (store,) = [entry for entry in container["env"] if entry["name"] == "OPTIMISER_STORE"]
        if "value" in store:
            claim = volumes["prices"]["persistentVolumeClaim"]["claimName"]
            assert claim in claims
            assert store["value"].startswith(f"sqlite:///{mounts['prices']}/")
        else:
            assert not claims
            assert store["valueFrom"]["secretKeyRef"]["key"] == "OPTIMISER_STORE"


def test_crontab_lines_have_five_fields_and_commands_that_exist() -> None:
    lines = (DEPLOY / "crontab").read_text(encoding="utf-8").splitlines()
    schedules = {}
    for line in lines:
        if not line or line.startswith("#") or re.match(r"[A-Z]+=", line):
            continue
        assert "%" not in line, "cron takes % for a line break"
        *fields, command = line.split(maxsplit=5)
        assert all(CRON_FIELD.fullmatch(field) for field in fields), line
        typed = command.partition(" >")[0].removeprefix("$OPTIMISER ")
        options = options_of(shlex.split(typed))
        schedules[" ".join(fields)] = options.get("older_than_days") or list(options["tier"] or [])
    assert schedules == {"17 2 * * *": [], "47 * * * *": ["spot"], "23 4 * * 0": 365}


def test_the_readme_names_every_file_and_commands_that_exist() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for name in ("systemd/", "crontab", *(f"kubernetes/{path.name}" for path in MANIFESTS)):
        assert f"`{name}`" in text
    typed = re.findall(r"`optimiser (refresh .*?)`", text)
    assert typed
    for command in typed:
        options_of(shlex.split(command))
