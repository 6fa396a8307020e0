"""What holds of every table of results that no fit has seen."""

from __future__ import annotations

from optimiser.accuracy.report import Accuracy
from optimiser.accuracy.sources import source_of
from optimiser.config import load_config


def assert_whole_and_unseen(accuracy: Accuracy) -> None:
    """Every row is judged, and none is of a source that was fitted."""
    assert not accuracy.left_out
    assert not accuracy.unseen
    fitted = set(load_config().fit.record["sources"])
    assert fitted.isdisjoint(source_of(item.case.row) for item in accuracy.judged)
