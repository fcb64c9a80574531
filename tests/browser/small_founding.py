"""A founding file for browser tests: the demo's, with just enough units for every seat and one unit without any.

Every ballot ends when everybody has voted, and here people click: each unit more costs a click in every story.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.builders.console import FOUNDING

#: Beside those with seats: a representative without any.
WITHOUT_SEAT = 10


def write_small_founding(folder: Path) -> Path:
    """Write it; units are numbered anew, as the file demands."""
    given: dict[str, Any] = yaml.safe_load(FOUNDING.read_text("utf-8"))
    committee = given["committee"]
    seats = [committee["director"], *committee["vice_directors"], *committee["members"]]
    kept = sorted({*(seat["unit"] for seat in seats), WITHOUT_SEAT})
    renumbered = {before: number for number, before in enumerate(kept, 1)}
    for seat in seats:
        for name in ("unit", "put_forward_by"):
            if name in seat:
                seat[name] = renumbered[seat[name]]
    for name in ("sme_centre", "window_platform"):
        given["alliance"][name] = renumbered[given["alliance"][name]]
    given["units"] = [
        {**unit, "number": renumbered[unit["number"]]} for unit in given["units"] if unit["number"] in renumbered
    ]
    file = folder / "founding.yaml"
    file.write_text(yaml.safe_dump(given, allow_unicode=True, sort_keys=False, explicit_end=True), "utf-8")
    return file
