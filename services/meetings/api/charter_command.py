"""`python -m shared.runtime meetings adopt-charter FILE`: the console's way to put a charter in force.

It reads, reports and hands over; it decides nothing. A file with faults is refused whole: every fault on a line of
its own with its path, exit status 1, nothing stored.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.meetings.commands.charter import adopt_charter
from shared.errors import Refusal
from shared.runtime.assembly import Assembly
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES

DONE = 0
REFUSED = 1
#: A charter takes some kilobytes; a wrong file picked by mistake may take any number.
FILE_BYTES_MAX = 1_000_000


class _Unreadable(Exception):
    """The file is no TOML; the message says where."""


def run_adopt_charter(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Exit status 0: adopted, or in force already; 1: refused, nothing stored."""
    parser = argparse.ArgumentParser(
        prog="python -m shared.runtime meetings adopt-charter", description="Put a charter in force from now on."
    )
    parser.add_argument("file", type=Path, help="the charter (TOML)")
    parser.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE)
    options = parser.parse_args(list(arguments))
    file: Path = options.file
    texts, tongue = assembly.texts, options.language
    try:
        content = _read(file)
        with assembly.begin() as work:
            adoption = adopt_charter(work, content)
    except _Unreadable as error:
        return _refuse(texts.render("charter.unreadable", tongue, file=str(file), reason=str(error)))
    except Refusal as refusal:
        for fault in refusal.faults:
            _refuse(f"{file}: {fault.field}: {texts.render(fault.code, tongue, **fault.params)}")
        code = "charter.file_refused" if refusal.faults else refusal.code
        params = {**refusal.params, "file": str(file), "faults": len(refusal.faults)}
        return _refuse(texts.render(code, tongue, **params))
    code = "charter.adopted" if adoption.is_new else "charter.already_in_force"
    sys.stdout.write(texts.render(code, tongue, version=adoption.version) + "\n")
    return DONE


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as handle:
            raw = handle.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise _Unreadable(f"> {FILE_BYTES_MAX} bytes")
        return tomllib.loads(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _Unreadable(str(error)) from error


def _refuse(message: str) -> int:
    sys.stderr.write(message + "\n")
    return REFUSED
