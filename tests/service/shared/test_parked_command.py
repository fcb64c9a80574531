"""`parked …` on the command line: tables for people, lines for programs, exit statuses, and nothing done by a slip."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.messaging.inbox import DEFERRED, DISCARDED, PARKED, inbox
from shared.messaging.parking import operator_actions
from shared.persistence.columns import kernel_metadata
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from shared.runtime.parked_commands import parked
from tests.builders.parked import SOURCE, body_of
from tests.fixtures.assemblies import MakeAssembly
from tests.service.shared.test_console import run

BY = ("--by", "clerk")


class Console:
    """One service's `parked` command, and what it printed."""

    def __init__(self, assembly: Assembly, capture: pytest.CaptureFixture[str]) -> None:
        self.assembly = assembly
        self._capture = capture

    def park(self, *words: str, **changes: Any) -> None:
        for word in words:
            self.assembly.consumer().accept([body_of(word, subject=f"of-{word}", **changes)])

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        self._capture.readouterr()
        try:
            status = parked(self.assembly, arguments)
        except SystemExit as usage:
            status = int(usage.code or 0)
        out, err = self._capture.readouterr()
        return status, out, err

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        status, out, _ = self.run(*arguments, "--json")
        assert status == 0
        return [
            json.loads(line) for line in out.splitlines() if not line.startswith("20")
        ]  # log lines begin with a year

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.assembly.reading() as reading:
            return [row._asdict() for row in reading.all(kernel_metadata.tables[table].select())]

    def states(self) -> dict[str, str]:
        return {row["event_id"]: row["state"] for row in self.rows(inbox.name)}

    def audit(self) -> list[tuple[str, str, str, str | None]]:
        rows = self.rows(operator_actions.name)
        return sorted((row["actor"], row["door"], row["event_id"], row["reason"]) for row in rows)


@pytest.fixture
def console(make_assembly: MakeAssembly, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(make_assembly("finance"), capsys)


def key(word: str) -> str:
    return f"{SOURCE}/{word}"


# ------------------------------------------------------------ looking
def test_a_list_of_nothing_says_nothing(console: Console) -> None:
    assert console.run("list") == (0, "", "")
    assert console.run("actions", "--json") == (0, "", "")


def test_the_list_is_a_table_for_people(console: Console) -> None:
    console.park("one")

    status, out, _ = console.run("list")

    assert status == 0
    head, row = [line for line in out.splitlines() if "[" not in line]
    assert head.split() == ["state", "received_at", "attempts", "type", "key", "reason"]
    assert row.split()[:5] == ["parked", "2026-03-02T01:00:00", "1", "alpha.word.said", key("one")]


def test_what_strangers_sent_does_not_move_the_cursor_of_a_terminal(console: Console) -> None:
    console.park("one", id="clear\x1b[2J")

    _, out, _ = console.run("list")

    assert "\x1b[2J" not in out
    assert "clear%1B%5B2J" in out


def test_the_list_is_lines_of_json_for_programs_and_goes_on_where_it_stopped(
    console: Console, clock: ManualClock
) -> None:
    for word in ("one", "two", "three"):
        console.park(word)
        clock.advance(60)

    assert [each["event_id"] for each in console.lines("list")] == ["one", "two", "three"]
    status, out, err = console.run("list", "--limit", "2", "--json", "--language", "en")
    assert (status, len([line for line in out.splitlines() if line.startswith("{")])) == (0, 2)
    position = err.split("--after ")[1].strip()
    assert [each["event_id"] for each in console.lines("list", "--after", position)] == ["three"]


FILTERS: list[tuple[str, list[str]]] = [
    ("", ["one", "two"]),
    ("--older-than 150s", ["one"]),
    ("--older-than 2h", []),
    ("--newer-than 150s", ["two"]),
    ("--newer-than 1d", ["one", "two"]),
    ("--older-than 2026-03-02T09:00:30+08:00", ["one"]),
    ("--subject of-two", ["two"]),
    ("--id one", ["one"]),
    ("--type alpha.word.whispered", []),
    (f"--source {SOURCE}", ["one", "two"]),
    ("--state deferred --state discarded", ["three"]),
    ("--state any", ["one", "two", "three"]),
]


def test_the_list_is_filtered(console: Console, clock: ManualClock) -> None:
    for word in ("one", "two", "three"):
        console.park(word)
        clock.advance(60)
    console.run("discard", key("three"), *BY, "--reason", "for a test")

    for options, found in FILTERS:
        assert [each["event_id"] for each in console.lines("list", *options.split())] == found, options


def test_one_event_is_shown_whole_with_its_history(console: Console) -> None:
    console.park("one")
    console.run("redrive", key("one"), *BY, "--reason", "mended")

    _, out, _ = console.run("show", key("one"))
    shown = json.loads(out)

    assert shown["envelope"]["data"] == {"word": "one"}
    assert shown["state"] == DEFERRED
    assert [(each["actor"], each["action"], each["reason"]) for each in shown["actions"]] == [
        ("clerk", "redrive", "mended")
    ]
    [line] = console.lines("show", key("one"))
    assert line == shown


# ------------------------------------------------------------ acting
def test_named_events_are_redriven_and_the_rest_left(console: Console) -> None:
    console.park("one", "two", "three")

    status, _, err = console.run("redrive", key("one"), key("two"), *BY, "--language", "en")

    assert status == 0
    assert "2 event(s) will be tried again" in err
    assert console.states() == {"one": DEFERRED, "two": DEFERRED, "three": PARKED}
    assert console.audit() == [("clerk", "command", "one", None), ("clerk", "command", "two", None)]


def test_redriving_twice_is_harmless_and_says_so(console: Console) -> None:
    console.park("one")
    console.run("redrive", key("one"), *BY)

    *events, summary = console.lines("redrive", key("one"), *BY)

    assert [(each["changed"], each["state"]) for each in events] == [(False, DEFERRED)]
    assert summary == {"action": "redrive", "dry_run": False, "changed": 0, "unchanged": 1, "remaining": 0}
    assert len(console.audit()) == 1


def test_chosen_events_are_discarded_up_to_the_limit(console: Console, clock: ManualClock) -> None:
    for word in ("one", "two", "three"):
        console.park(word)
        clock.advance(1)

    *events, summary = console.lines("discard", "--all", "--limit", "2", *BY, "--reason", "sent by mistake")

    assert [each["event_id"] for each in events] == ["one", "two"]
    assert (summary["changed"], summary["remaining"]) == (2, 1)
    assert console.states() == {"one": DISCARDED, "two": DISCARDED, "three": PARKED}
    assert {reason for *_, reason in console.audit()} == {"sent by mistake"}
    assert [each["action"] for each in console.lines("actions")] == ["discard", "discard"]
    assert len(console.lines("actions", key("one"))) == 1


@pytest.mark.parametrize("verb", ["redrive", "discard"])
def test_a_dry_run_says_what_would_be_done_and_does_nothing(console: Console, verb: str) -> None:
    console.park("one", "two")
    before = console.rows("inbox")

    status, out, err = console.run(verb, "--all", *BY, "--reason", "r", "--dry-run", "--language", "en")

    assert status == 0
    assert "Dry run" in err
    assert "2 event(s) would be" in err
    assert key("one") in out
    assert console.rows("inbox") == before
    assert console.audit() == []


def test_one_unknown_event_and_nothing_is_done(console: Console) -> None:
    console.park("one")

    status, out, err = console.run("redrive", key("one"), key("oen"), *BY, "--language", "en")

    assert (status, out) == (1, "")
    assert "oen" in err
    assert console.states() == {"one": PARKED}


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_an_unknown_event_cannot_be_shown(console: Console, language: str) -> None:
    status, out, err = console.run("show", key("nowhere"), "--language", language)

    assert (status, out) == (1, "")
    assert ("没有" in err) == (language == "zh-CN")


SLIPS = {
    "no verb": (),
    "an unknown verb": ("destroy",),
    "redrive what": ("redrive", *BY),
    "discard what": ("discard", *BY, "--reason", "r"),
    "both keys and a filter": ("redrive", key("one"), "--all", *BY),
    "by whom": ("redrive", "--all"),
    "by nobody": ("redrive", "--all", "--by", "  "),
    "discard why": ("discard", "--all", *BY),
    "an empty reason": ("discard", "--all", *BY, "--reason", ""),
    "a reason of two lines": ("discard", "--all", *BY, "--reason", "a\nb"),
    "a reason too long": ("discard", "--all", *BY, "--reason", "x" * 501),
    "no key": ("redrive", "one", *BY),
    "a state that is none": ("list", "--state", "done"),
    "a limit of none": ("list", "--limit", "0"),
    "a limit of many": ("redrive", "--all", "--limit", "1001", *BY),
    "no age": ("list", "--older-than", "soon"),
    "an instant without offset": ("list", "--older-than", "2026-03-02T09:00:00"),
    "no position": ("list", "--after", "somewhere"),
    "too many keys": ("redrive", *(key(str(n)) for n in range(1_001)), *BY),
}


def test_a_slip_is_a_usage_error_and_nothing_is_done(console: Console) -> None:
    console.park("one")

    for slip, arguments in SLIPS.items():
        status, out, err = console.run(*arguments)
        assert (status, out) == (2, ""), slip
        assert "usage:" in err, slip

    assert console.states() == {"one": PARKED}
    assert console.audit() == []


def test_help_explains_the_states_and_every_verb(console: Console) -> None:
    status, out, _ = console.run("--help")
    assert status == 0
    assert all(word in out for word in ("parked", "deferred", "discarded", "list", "show", "redrive", "actions"))

    for verb in ("list", "show", "redrive", "discard", "actions"):
        assert console.run(verb, "--help")[0] == 0


def test_as_a_process_of_its_own_on_a_database_without_tables_and_with(tmp_path: Any) -> None:
    database = tmp_path / "new.sqlite"
    refused = run(database, "parked", "list")
    assert (refused.returncode, "migrate" in refused.stderr) == (1, True)

    assert run(database, "migrate").returncode == 0
    listed = run(database, "parked", "list", "--json")
    assert (listed.returncode, listed.stdout) == (0, "")
    assert run(database, "parked", "redrive", key("x"), *BY).returncode == 1
    assert run(database, "parked", "redrive", "x").returncode == 2
