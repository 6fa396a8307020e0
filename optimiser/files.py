"""Files as every room reads and writes them: YAML, days, and text that is written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

from optimiser.errors import UsageError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def typed_path(name: str | Path) -> Path:
    """A path as it was typed, with ~ and ~user as the home they mean; as it stands where there is no such user."""
    return Path(os.path.expanduser(name))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, None where it is empty.

    Raises UsageError, with the line, for a file that cannot be read, is no YAML, or gives a key twice.
    """
    import yaml

    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file: YAML in UTF-8 is expected") from None
    try:
        return _loaded(content)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"{path}: not valid YAML: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def yaml_value(text: str) -> Any:
    """What a YAML text says, read as read_yaml reads a file. Raises ValueError where it is no YAML."""
    import yaml

    try:
        return _loaded(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _loaded(text: str) -> Any:
    import yaml

    return yaml.load(text, Loader=_loader())  # noqa: S506 (a safe loader)


def day_from(text: str) -> date:
    """The date of a text like 2026-11-09, in these ten characters alone. Raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError("must be a date like 2026-11-09")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day: must be a date like 2026-11-09") from None


def day_of(value: object) -> object:
    """The date that a value of a YAML file is, also where it is quoted there; anything else as it is."""
    if isinstance(value, str) and _DAY.fullmatch(value) and not no_such_day(value):
        return date.fromisoformat(value)
    return value


def no_such_day(value: object) -> bool:
    """Whether a value is written as a day that no calendar has, such as 2026-02-30."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return True
    return False


def write_whole(path: Path, text: str) -> None:
    """Write beside the file and move it into place, with the mode of the file that stood there, else the
    user's usual one; line ends stay as they are. A device or pipe is written directly. Raises OSError.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@cache
def _loader() -> Any:
    """Safe loading that refuses a key given twice, of which YAML libraries keep the last in silence, and leaves a day
    that no calendar has as text, which the reader of its field refuses by name."""
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(safe):  # type: ignore[misc]
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        twice = f"{key.value!r} is given twice"
                        raise yaml.constructor.ConstructorError(None, None, twice, key.start_mark)
                    seen.add(key.value)
            return cast("dict[Hashable, Any]", super().construct_mapping(node, deep))

        def day_or_text(self, node: yaml.ScalarNode) -> Any:
            try:
                return self.construct_yaml_timestamp(node)
            except ValueError:
                return node.value

    Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.day_or_text)
    return Loader


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file against every other writer that asks for it this way, through a lock on its folder.

    Waits for the other writer. Raises UsageError where the folder cannot be made or opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
