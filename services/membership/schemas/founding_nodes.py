"""A YAML file as a tree in which every piece knows its line, built from PyYAML's event stream.

It reads what a secretary types (mappings, lists, text) and refuses what only programmers use: anchors, aliases, tags,
several documents. Everything stays text: what is a date or a number is for the reader of a field to decide, so a
post code keeps its zeros and a name like `No` stays a name. It knows nothing about founding files, and the depth and
size it accepts are bounded, so that no input can exhaust the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from shared.errors import Fault

#: Largest file accepted, in bytes: three thousand units fit; a wrong file picked by mistake rarely does.
FILE_BYTES_MAX = 1_048_576
#: Deepest nesting accepted. A founding file needs four levels.
DEPTH_MAX = 12
#: Keys are a handful of English words; a longer one would only fill the fault's line.
KEY_LENGTH_MAX = 60

#: What YAML's reader refuses; told apart here because its own complaint carries no line. Also the line ends that YAML
#: counts and editors do not show: after one of them every line number would be off.
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: The parser's commonest complaints, each with a text of ours that says what to do about it, and whether the line
#: that helps is where the broken piece began (an open quote is noticed at the end of the file only).
_SYNTAX_HINTS = (
    ("mapping values are not allowed", "founding.syntax_colon", False),
    ("found character '\\t'", "founding.syntax_tab", False),
    ("that cannot start any token", "founding.syntax_symbol", False),
    ("could not find expected ':'", "founding.syntax_key", True),
    ("expected <block end>", "founding.syntax_indent", False),
    ("expected '<document start>'", "founding.several_documents", False),
    ("found unexpected end of stream", "founding.syntax_quote", True),
    ("found unexpected document separator", "founding.syntax_quote", True),
    ("expected ',' or", "founding.syntax_quote", True),
)
#: Slips of a Chinese keyboard. The parser takes such a line for text and stumbles over a later one, so the lines are
#: looked for once it has failed; not before, because content in quotes may look like this.
_SLIPS = (
    (re.compile(r"^[\s\u00a0\u3000]*(?:-\s+)?[a-z_]+\s*(?:\uff1a|:(?=\S))"), "founding.syntax_colon_form"),
    (re.compile(r"^ *[\u00a0\u3000]"), "founding.syntax_indent_blank"),
)


@dataclass(frozen=True)
class LinedFault:
    """A fault and the line of the file that it stands on, counted from 1."""

    line: int
    fault: Fault


@dataclass(frozen=True)
class Scalar:
    """A piece of text; `quoted` tells `""`, which somebody wrote, from nothing at all."""

    line: int
    text: str
    quoted: bool


@dataclass(frozen=True)
class Listing:
    """A list, in the order of the file."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """One `key: value` of a block."""

    line: int
    key: str
    value: Node


@dataclass(frozen=True)
class Block:
    """A mapping as written: entries in order, a key perhaps more than once."""

    line: int
    entries: tuple[Entry, ...]


Node = Scalar | Listing | Block


class NotReadable(Exception):
    """The file is no plain YAML; `faults` say why. Nothing can be read from it."""

    def __init__(self, faults: list[LinedFault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def read_nodes(data: bytes) -> tuple[Node, list[LinedFault]]:
    """The file's tree, and what is wrong with the file as a whole all the same. Raises NotReadable."""
    text = _decode(data)
    events = _events(text)
    refused = [fault for event in events for fault in _refused_features(event)]
    if refused:
        raise NotReadable(refused)
    nodes = [event for event in events if isinstance(event, (NodeEvent, SequenceEndEvent, MappingEndEvent))]
    if not nodes:
        raise NotReadable([_fault(1, "founding.empty_file")])
    node = _build(iter(nodes))
    # Cut off between two units, a file would still read well and found an alliance without the rest of its members.
    if any(isinstance(event, DocumentEndEvent) and event.explicit for event in events):
        return node, []
    return node, [_fault(text.rstrip("\n").count("\n") + 1, "founding.no_end_mark")]


def _decode(data: bytes) -> str:
    if len(data) > FILE_BYTES_MAX:
        raise NotReadable([_fault(1, "founding.file_too_large", bytes=len(data), bytes_max=FILE_BYTES_MAX)])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadable([_fault(1, "founding.encoding_utf16")])
    try:
        # Notepad's "UTF-8 with BOM" is what many offices save; the mark is dropped, the text is fine.
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise NotReadable([_fault(data[: error.start].count(b"\n") + 1, "founding.encoding")]) from error
    found = _UNPRINTABLE.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise NotReadable([_fault(line, "founding.unprintable", character=f"U+{ord(found.group()):04X}")])
    return text


def _events(text: str) -> list[Event]:
    events: list[Event] = []
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            events.append(event)
            depth += isinstance(event, (SequenceStartEvent, MappingStartEvent))
            depth -= isinstance(event, (SequenceEndEvent, MappingEndEvent))
            if depth > DEPTH_MAX:
                raise NotReadable([_fault(_line(event), "founding.too_deep", depth_max=DEPTH_MAX)])
    except yaml.MarkedYAMLError as error:
        raise NotReadable(_typing_slips(text) or [_syntax_fault(error)]) from error
    except RecursionError as error:
        # The parser is iterative today; should a version of it recurse, deep input still ends in a plain refusal.
        raise NotReadable([_fault(1, "founding.too_deep", depth_max=DEPTH_MAX)]) from error
    return events


def _typing_slips(text: str) -> list[LinedFault]:
    lines = enumerate(text.split("\n"), start=1)
    return [_fault(number, code) for number, line in lines for slip, code in _SLIPS if slip.match(line)]


def _syntax_fault(error: yaml.MarkedYAMLError) -> LinedFault:
    problem = error.problem or error.context or ""
    for words, code, at_its_start in _SYNTAX_HINTS:
        if words in problem:
            return _fault(_marked_line(error, at_its_start=at_its_start), code)
    return _fault(_marked_line(error, at_its_start=False), "founding.syntax", problem=problem)


def _marked_line(error: yaml.MarkedYAMLError, *, at_its_start: bool) -> int:
    mark = error.context_mark if at_its_start else error.problem_mark
    mark = mark or error.problem_mark or error.context_mark
    return 1 if mark is None else int(mark.line) + 1


def _refused_features(event: Event) -> Iterator[LinedFault]:
    if isinstance(event, AliasEvent):
        yield _fault(_line(event), "founding.alias", name=str(event.anchor))
        return
    if isinstance(event, NodeEvent) and event.anchor:
        yield _fault(_line(event), "founding.anchor", name=str(event.anchor))
    if isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent)) and event.tag:
        yield _fault(_line(event), "founding.tag", tag=str(event.tag))


def _build(events: Iterator[Event]) -> Node:
    node = _node(next(events), events)
    further = next(events, None)
    if further is not None:
        raise NotReadable([_fault(_line(further), "founding.several_documents")])
    return node


def _node(event: Event, events: Iterator[Event]) -> Node:
    """One node with all below it; recursion is bounded by DEPTH_MAX."""
    if isinstance(event, ScalarEvent):
        return Scalar(_line(event), str(event.value), quoted=event.style is not None)
    if isinstance(event, SequenceStartEvent):
        items: list[Node] = []
        while not isinstance(inner := next(events), SequenceEndEvent):
            items.append(_node(inner, events))
        return Listing(_line(event), tuple(items))
    entries: list[Entry] = []
    while not isinstance(inner := next(events), MappingEndEvent):
        key = _node(inner, events)
        value = _node(next(events), events)
        if not isinstance(key, Scalar) or not key.text.isprintable() or len(key.text) > KEY_LENGTH_MAX:
            raise NotReadable([_fault(key.line, "founding.key_not_text")])
        entries.append(Entry(key.line, key.text, value))
    return Block(_line(event), tuple(entries))


def _line(event: Event) -> int:
    mark = event.start_mark
    assert mark is not None, "the parser marks every event"
    return int(mark.line) + 1


def _fault(line: int, code: str, **params: str | int) -> LinedFault:
    return LinedFault(line, Fault(code, "", params))
