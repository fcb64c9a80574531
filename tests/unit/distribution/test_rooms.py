"""The whole suite in rooms: which test belongs to which, and that the long ones begin first."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.distribution import FIRST, WHOLE, RoomByRoom, workers_for

ROOT = Path(__file__).parents[3]


class Worker:
    """Takes note of what it is handed."""

    shutting_down = False

    def __init__(self) -> None:
        self.handed: list[list[int]] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.handed.append(indices)


def test_every_room_that_is_named_is_there() -> None:
    missing = [name for name in (*WHOLE, *FIRST) if not (ROOT / name).exists()]

    assert not missing


def test_long_rooms_begin_first_and_a_shared_browser_stays_in_one_worker() -> None:
    tests = [
        "tests/architecture/test_a.py::test_1",
        "tests/browser/test_a.py::test_1[zh-CN::desk]",
        "tests/browser/test_b.py::test_2",
        "tests/unit/test_a.py::test_1",
    ]
    scheduler = scheduler_of(tests)
    worker = next(iter(scheduler.registered_collections))

    for _ in range(3):
        scheduler._assign_work_unit(worker)

    assert worker.handed == [[1, 2], [0], [3]]


def scheduler_of(tests: list[str]) -> Any:
    scheduler = RoomByRoom(SimpleNamespace(getvalue=lambda _option: ["popen"]))
    rooms: OrderedDict[str, dict[str, bool]] = OrderedDict()
    for test in tests:
        rooms.setdefault(scheduler._split_scope(test), {})[test] = False
    scheduler.workqueue = rooms
    scheduler.registered_collections = {Worker(): tests}
    return scheduler


@pytest.mark.parametrize(
    ("arguments", "keyword", "workers"),
    [
        (["tests"], "", None),
        (["tests/unit", f"{__file__}::test_x"], "", None),
        ([f"{__file__}::test_x"], "", 0),
        ([__file__], "", 0),
        (["tests"], "roll", 0),
    ],
)
def test_a_few_tests_start_no_workers(arguments: list[str], keyword: str, workers: int | None) -> None:
    config: Any = SimpleNamespace(args=arguments, option=SimpleNamespace(keyword=keyword))

    assert workers_for(config) == workers
