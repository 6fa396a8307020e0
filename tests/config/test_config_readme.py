"""config/README.md describes the files as they are: same fields, and its example imports."""

import dataclasses
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from optimiser.carbon.embodied import Embodied
from optimiser.carbon.power import Power
from optimiser.config import Config, config_directories, load_config
from optimiser.config.levers import Drafts, Instead, Quality
from optimiser.config.quotas import QuotaEntry
from optimiser.config.settings import SolverSettings
from optimiser.costing.training.job_file import JobFields, LoraFields, StorageFields
from optimiser.performance.physics import Engine, Physics
from optimiser.performance.specs import Calibrated, Efficiency, GpuSpec, ModelSpec
from optimiser.planning.owned import Owned
from optimiser.planning.start_up import StartUpTimes
from optimiser.policy import Policy
from optimiser.prices.book import load_book
from optimiser.prices.discounts import Discount
from optimiser.prices.import_csv import ALIASES, CROSS_CHECKS, IGNORED_COLUMNS, import_prices
from optimiser.prices.rows import COLUMNS, KINDS, PAYMENTS, REGION_KINDS
from providers.shape import InstanceShape, Obtainability


@pytest.fixture(scope="module")
def readme() -> str:
    return (config_directories()[0] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


def section(readme: str, heading: str) -> str:
    """The text under the heading that starts so, up to the next heading."""
    return re.split(r"^#+ ", re.split(rf"^#+ {heading}.*\n", readme, flags=re.M)[1], maxsplit=1, flags=re.M)[
        0
    ]


def first_cells(text: str) -> list[str]:
    """The names in backticks in the first column of the section's first table with a `field`-like head."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("heading", "cls", "key"),
    [
        ("GPUs", GpuSpec, {"name"}),
        ("Physics", Physics, set()),
        ("Engines", Engine, {"name"}),
        ("Generations", Efficiency, {"generation"}),
        ("Calibrated GPUs", Calibrated, {"gpu"}),
        ("Quotas", QuotaEntry, set()),
        ("Instances", InstanceShape, {"provider", "instance_type"}),
        ("Owned machines", Owned, {"number", "source"}),
        ("Quality figures", Quality, {"name"}),
        ("Drafts of models", Drafts, {"model"}),
        ("Other architectures", Instead, {"dense"}),
    ],
)
def test_the_tables_name_every_field(readme: str, heading: str, cls: type, key: set[str]) -> None:
    named = set(first_cells(section(readme, heading))) - {level.value for level in Obtainability}
    assert named == {field.name for field in dataclasses.fields(cls)} - key


def test_the_carbon_table_names_every_field_of_power_and_of_making_machines(readme: str) -> None:
    named = set(first_cells(section(readme, "Energy and carbon")))
    power = {f"power.{field.name}" for field in dataclasses.fields(Power)}
    assert named >= power | {f"embodied.{field.name}" for field in dataclasses.fields(Embodied)}


def test_the_policy_table_names_every_field(readme: str) -> None:
    assert first_cells(section(readme, "Policy")) == list(Policy.model_fields)


def test_the_table_of_training_jobs_names_every_field(readme: str) -> None:
    lora = {f"lora.{name}" for name in LoraFields.model_fields}
    storage = set(StorageFields.model_fields)
    named = {
        name.removeprefix("storage").lstrip(".") for name in first_cells(section(readme, "Training jobs"))
    }
    assert named == (set(JobFields.model_fields) - {"lora", "storage"}) | lora | storage


def test_the_model_table_names_every_field(readme: str) -> None:
    named = set(first_cells(section(readme, "Models")))
    assert named >= {field.name for field in dataclasses.fields(ModelSpec)} - {"name"}


def test_every_obtainability_is_explained(readme: str) -> None:
    assert {level.value for level in Obtainability} <= set(first_cells(section(readme, "Instances")))


def test_the_price_columns_are_the_schema_in_its_order(readme: str) -> None:
    text = section(readme, "Prices")
    assert first_cells(text) == list(COLUMNS)
    for word in (*KINDS, *PAYMENTS, *REGION_KINDS):
        assert f"`{word}`" in text


def test_other_column_names_and_cross_checks_are_documented(readme: str) -> None:
    text = section(readme, "Bringing prices in")
    for alias, meaning in ALIASES.items():
        assert re.search(rf"`{alias}`\s+\({meaning}\)", text), alias
    for name in (*CROSS_CHECKS, *IGNORED_COLUMNS):
        assert f"`{name}`" in text


def test_the_settings_table_names_every_setting(readme: str) -> None:
    solver = {f"solver.{field.name}" for field in dataclasses.fields(SolverSettings)}
    limits = {
        "live_prices.warn_after_hours.<tier>",
        "live_prices.refuse_after_hours",
        "store.url",
        "discounts",
        *(f"start_up.{field.name}" for field in dataclasses.fields(StartUpTimes)),
    }
    discount = {field.name for field in dataclasses.fields(Discount)} - {"name"}
    assert set(first_cells(section(readme, "Settings"))) == {
        "policy",
        "performance",
        "max_price_age_days.<tier>",
        *solver,
        *limits,
    }
    assert set(first_cells(section(readme, "Discounts"))) == discount


def test_the_contract_in_the_text_imports_beside_the_list_price(
    readme: str, config: Config, tmp_path: Path
) -> None:
    example = re.search(r"```csv\n(.*?)```", readme, re.S)
    assert example
    file = tmp_path / "contract.csv"
    file.write_text(example[1], encoding="utf-8")
    today = date(2026, 11, 21)
    report = import_prices(file, "aws", config.shapes, tmp_path / "prices" / "aws.csv", as_of=today)
    book = load_book([*config.price_files, report.destination], config.shapes, today)
    contract = book.offer("aws/us-east-1/p5.48xlarge/on_demand/contract=edp-2026")
    assert (contract.usd_per_hour, contract.max_instances) == (Decimal("47.5"), 16)
    assert book.offer("aws/us-east-1/p5.48xlarge/on_demand").usd_per_hour == Decimal("55.04")


def test_the_table_of_obtainability_agrees_with_the_files(readme: str, config: Config) -> None:
    rows = {
        cells[1].strip(" `"): cells[3]
        for cells in (line.split("|") for line in section(readme, "Instances").splitlines())
        if len(cells) == 5 and cells[1].strip(" `") in {level.value for level in Obtainability}
    }
    for (_, name), shape in config.shapes.items():
        text = rows[shape.obtainability.value]
        if shape.obtainability in (Obtainability.ELASTIC, Obtainability.SCARCE):
            spoken = re.split(r"[-,\s]", shape.gpu.replace("RTX-PRO", "RTX PRO"))[0]
            assert re.search(rf"\b{spoken}\b", text), (name, shape.gpu)
        else:
            assert re.search(r"p5e|a3-ultragpu|GB200|a3-highgpu", text), name


def test_what_the_text_says_is_missing_from_the_snapshot_is_missing(config: Config) -> None:
    embedded = [path for path in config.price_files if path.is_relative_to(config.directories[0])]
    offers = load_book(embedded, config.shapes, date(2026, 11, 21)).offers
    reserved = offers[offers["tier"] == "reserved"]
    azure = reserved[reserved["provider"] == "azure"]
    savings = azure[azure["kind"] == "savings_plan"]
    assert set(azure[azure["kind"] == "reserved_instance"]["instance_type"]) == {"Standard_ND96isr_H100_v5"}
    assert (savings["instance_type"].nunique(), savings["region"].nunique()) == (10, 6)
    assert "savings_plan" not in set(reserved[reserved["provider"] == "aws"]["kind"])
    without = {name for _, name in config.shapes} - set(reserved["instance_type"])
    assert {"p3.2xlarge", "p5e.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "g7e.48xlarge"} <= without
    assert {"a2-ultragpu-8g", "a3-edgegpu-8g", "a3-ultragpu-8g"} <= without
    assert "p3dn.24xlarge" not in without
