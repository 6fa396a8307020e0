"""The share of an estimate that is planned on: by hand, against drawn errors, and its order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.performance.confidence import planned_share

ERRORS = st.floats(0.0, 2.0)
CONFIDENCES = st.floats(0.5, 0.99)


@pytest.mark.parametrize(
    ("relative_error", "confidence", "by_hand"),
    [
        # One half of 2(1 − c) each time: 1, 1/2, 1/4 and 1/8 are no, one, two and three times 1 + m.
        (0.25, 0.5, 1.0),
        (0.25, 0.75, 0.8),
        (0.25, 0.875, 0.64),
        (0.25, 0.9375, 0.512),
        (0.0, 0.95, 1.0),
    ],
)
def test_the_share_is_as_worked_by_hand(relative_error: float, confidence: float, by_hand: float) -> None:
    assert planned_share(relative_error, confidence) == pytest.approx(by_hand)


@pytest.mark.parametrize("confidence", [0.6, 0.75, 0.9, 0.95])
@pytest.mark.parametrize("relative_error", [0.08, 0.25, 0.6])
def test_rates_with_laplace_errors_reach_the_share_as_often_as_stated(
    relative_error: float, confidence: float
) -> None:
    logs = np.random.default_rng(7).laplace(0.0, np.log1p(relative_error) / np.log(2.0), 200_000)
    assert np.median(np.abs(logs)) == pytest.approx(np.log1p(relative_error), rel=0.02)
    reached = np.mean(np.exp(logs) >= planned_share(relative_error, confidence))
    assert reached == pytest.approx(confidence, abs=0.004)


@given(error=ERRORS, more=ERRORS, confidence=CONFIDENCES, surer=CONFIDENCES)
def test_less_is_planned_on_where_the_error_or_the_confidence_is_higher(
    error: float, more: float, confidence: float, surer: float
) -> None:
    least, most = sorted((error, more))
    low, high = sorted((confidence, surer))
    assert 0.0 < planned_share(most, high) <= planned_share(least, low) <= 1.0


@pytest.mark.parametrize("confidence", [0.49, 1.0, -0.1, float("nan")])
def test_a_confidence_that_has_no_lower_bound_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        planned_share(0.1, confidence)


@pytest.mark.parametrize("relative_error", [-0.01, float("nan")])
def test_an_error_below_nothing_is_refused(relative_error: float) -> None:
    with pytest.raises(ValueError, match="relative error"):
        planned_share(relative_error, 0.75)
