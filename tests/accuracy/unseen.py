"""What holds of every table of results that no fit has seen."""

from __future__ import annotations

from optimiser.accuracy.result import Accuracy
from optimiser.accuracy.sources import source_of
from optimiser.config import load_config


def assert_whole_and_unseen(accuracy: Accuracy, without_room: int = 0) -> None:
    """Every row is judged but for so many that the memory model has no room for, and none is of a fitted source."""
    assert len(accuracy.left_out) == without_room
    assert all("has no room" in item.reason for item in accuracy.left_out)
    assert not accuracy.unseen
    record = load_config().fit.record
    fitted = {source for one in (record, *record["engines"].values()) for source in one["sources"]}
    assert fitted.isdisjoint(source_of(item.case.row) for item in accuracy.judged)
