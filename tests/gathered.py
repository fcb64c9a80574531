"""What tests have to tell at the end of a run, wherever they ran: in this process, or in workers beside one another.

A worker (pytest-xdist) hands over what was noted in it when it ends; the process that started it tells all of it. Notes
are made of dicts, lists, texts and numbers: that is what travels.
"""

from __future__ import annotations

from typing import Any

_noted: dict[str, list[Any]] = {}


def note(subject: str, said: Any) -> None:
    """Keep something for the end of the run."""
    _noted.setdefault(subject, []).append(said)


def noted(subject: str) -> list[Any]:
    """Everything that was noted under a subject; complete once the run has ended."""
    return _noted.get(subject, [])


def hand_over() -> dict[str, list[Any]]:
    """All notes of a worker that ends."""
    return _noted


def take_over(handed_over: dict[str, list[Any]]) -> None:
    """The notes of a worker that has ended."""
    for subject, notes in handed_over.items():
        _noted.setdefault(subject, []).extend(notes)
