"""Names of models and GPUs as published tables write them: each means one, or nothing."""

from __future__ import annotations

import pytest

from optimiser.accuracy.architectures import ARCHITECTURES
from optimiser.config import load_config
from optimiser.performance.parameters import parameter_count

CONFIG = load_config()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_models_of_its_own_have_the_published_number_of_weights(name: str) -> None:
    model = ARCHITECTURES[name]
    published = model.parameters_published
    assert published is not None
    rounded = published % 1e8 == 0
    assert parameter_count(model) == pytest.approx(published, rel=0.015 if rounded else 2e-3)
    assert name not in CONFIG.models
