"""Answers that were found before, kept so that no question is put twice under the same conditions.

What is kept is a batch: the key is the sha256 of all that was run together, in a file named by the
digest of the conditions (base, adapter or none, tokenizer, template, precision, engine, packages,
medtune's own scoring code). So an answer of a base is never taken for an adapter's, and an answer
found in one batch never for the same question's in another, which may differ in the last digit.

    <folder>/<digest>.jsonl   {"conditions": {...}}, then {"key": ..., "value": ...} for each batch

A line is written whole and at once. What a killed process left of one is cut off when the file is
opened again.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from medtune.digests import sha256_value
from medtune.errors import MedtuneError


class Kept(Protocol):
    """Answers by key. Both are JSON values."""

    def get(self, key: str) -> Any | None:  # noqa: ANN401
        """The answer kept under a key; None where there is none."""

    def put(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Keep an answer before anything else is done."""


class Forgotten:
    """Keeps nothing."""

    def get(self, key: str) -> None:
        """There never is an answer."""

    def put(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Forget it."""


class ResponseCache:
    """The answers of one set of conditions, in a file that its owner alone can read.

    Args:
        folder: Where such files lie; made when it is first needed.
        conditions: Everything that can change an answer.

    Raises:
        MedtuneError: The file is there and cannot be read or is none of medtune's.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        self.path = folder / f"{sha256_value(dict(conditions))[:32]}.jsonl"
        self._conditions = dict(conditions)
        self._found: dict[str, Any] = {}
        try:
            if self.path.exists():
                self._read()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MedtuneError(
                f"{self.path}: kept answers cannot be read ({type(error).__name__}); remove the "
                "file, and the questions will be put again"
            ) from error

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str) -> Any | None:  # noqa: ANN401
        """The answer kept under a key; None where there is none."""
        return self._found.get(key)

    def put(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Keep an answer: it is in the file when this returns."""
        self._found[key] = value
        lines = _line({"key": key, "value": value})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # another process may ask the same model
                if not os.fstat(file.fileno()).st_size:
                    lines = _line({"conditions": self._conditions}) + lines
                file.write(lines)
        except OSError as error:
            raise MedtuneError(
                f"{self.path}: answers cannot be kept there: {error.strerror}"
            ) from error

    def _read(self) -> None:
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
        records = [json.loads(line) for line in content[:whole].splitlines()]
        if records and records[0]["conditions"] != self._conditions:
            raise ValueError("conditions of another file")
        self._found = {record["key"]: record["value"] for record in records[1:]}


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()
