"""What projects of all tests here are planned with."""

from __future__ import annotations

import pytest
from planned_projects import AS_OF

from optimiser.config import Config, load_config
from optimiser.prices.book import PriceBook, load_book


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="session")
def book(config: Config) -> PriceBook:
    return load_book(config.price_files, config.shapes, AS_OF)
