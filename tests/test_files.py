"""Files: YAML without silent losses, days in one notation, writes that are whole or not at all."""

import os
import threading
from datetime import date
from pathlib import Path

import pytest

from optimiser.errors import UsageError
from optimiser.files import day_from, read_yaml, write_whole


def test_a_yaml_file_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "\ufeffbase: &b {x: 1}\nother: {<<: *b, x: 2}\nlist: [{x: 1}, {x: 2}]\n", encoding="utf-8"
    )
    assert read_yaml(path) == {"base": {"x": 1}, "other": {"x": 2}, "list": [{"x": 1}, {"x": 2}]}
    path.write_text("# nothing\n", encoding="utf-8")
    assert read_yaml(path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", "not valid YAML: line 3: 'a' is given twice"),
        (b"top:\n  - {x: 1,\n     x: 2}\n", "not valid YAML: line 3: 'x' is given twice"),
        (b"a: [1\n", "not valid YAML: line 2: "),
        (b"? [a]\n: 1\n", "not valid YAML: line 1: "),
        (b"a: !!python/name:os.system\n", "not valid YAML: line 1: "),
        (b"a: \x00\n", "not valid YAML: "),
        (b"\xff\xfea", "not a text file"),
    ],
)
def test_a_yaml_file_that_says_nothing_certain_is_refused_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_day_that_no_calendar_has_stays_text_for_its_field_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("ends: 2026-02-30\nstarts: 2026-02-28\n", encoding="utf-8")
    assert read_yaml(path) == {"ends": "2026-02-30", "starts": date(2026, 2, 28)}


def test_a_file_that_is_not_there_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_yaml(tmp_path)


def test_a_day_is_written_in_one_way() -> None:
    assert day_from("2024-02-29") == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text",
    ["20261109", "2026-1-1", "2026-W45-1", "2026-02-29", "2026-11-09T00", " 2026-11-09", "٢٠٢٦-11-09", ""],
)
def test_what_only_resembles_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a date like 2026-11-09"):
        day_from(text)


def test_a_new_file_has_the_user_s_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    path = tmp_path / "a.csv"
    write_whole(path, "one\n")
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    write_whole(path, "two\r\n×\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == "two\r\n×\n".encode()


def test_a_write_that_fails_leaves_what_stood_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_whole(path, "one\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \udcff")
    assert path.read_text(encoding="utf-8") == "one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_into_not_replaced(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    write_whole(pipe, "answer")
    reader.join(timeout=5)
    assert read == ["answer"]
    assert pipe.is_fifo()
