"""`parked …`: the operators' handles on the command line. Reads arguments, prints; `shared.messaging.parking` decides.

Tables for people; with `--json` a line per event for programs. Exit status: 0 done (also when there was nothing to do),
1 refused and nothing changed, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.errors import Refusal
from shared.messaging import parking
from shared.messaging.inbox import DEFERRED, DISCARDED, PARKED
from shared.messaging.parking import Operator, Outcome, Position, Selection, Wish, key_text, parse_key
from shared.runtime.assembly import Assembly
from shared.runtime.clock import rfc3339
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES

REFUSED = 1
LIST_DEFAULT = 50
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
#: Columns of the tables.
_EVENT_COLUMNS = ("state", "received_at", "attempts", "type", "key", "reason")
_ACTION_COLUMNS = ("at", "actor", "door", "action", "key", "reason")
#: Columns that are cut in tables, to so many characters; an instant to its second.
_WIDTHS = {"received_at": 19, "at": 19, "actor": 24, "reason": 60}
_DESCRIPTION = """\
Events that have not had their effect in this service.

parked     failed for good, or too often: waits for you
deferred   failed, and is tried again by itself; or waits behind an earlier event of its subject
discarded  closed by an operator: has no effect and holds nothing back; may still be redriven

Parked and deferred events hold back the later events of their subject, and nothing else."""


def parked(assembly: Assembly, arguments: Sequence[str]) -> int:
    """List, show, redrive and discard events that have not had their effect; and the audit of it."""
    options = _parser(assembly).parse_args(list(arguments))
    run: Callable[[Assembly, argparse.Namespace], None] = options.run
    try:
        run(assembly, options)
    except Refusal as refusal:
        texts, tongue = assembly.texts, options.language
        for fault in refusal.faults:
            sys.stderr.write(f"{fault.field}: {texts.render(fault.code, tongue, **fault.params)}\n")
        sys.stderr.write(f"{texts.render(refusal.code, tongue, **refusal.params)}\n")
        return REFUSED
    return 0


def _parser(assembly: Assembly) -> argparse.ArgumentParser:
    prog = f"python -m shared.runtime {assembly.service.name} parked"
    parser = argparse.ArgumentParser(
        prog=prog, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = _verb(verbs, "list", "list events, oldest first", _list)
    _add_selection(listing, assembly)
    listing.add_argument("--limit", type=_at_least_one, default=LIST_DEFAULT, help=f"default {LIST_DEFAULT}")
    listing.add_argument("--after", type=_position, metavar="POSITION", help="go on where an earlier list stopped")
    show = _verb(verbs, "show", "show one event: its envelope, why it waits, what waits behind it", _show)
    show.add_argument("key", type=_key, metavar="KEY", help="as `list` shows it: source/id")
    redrive = _verb(verbs, "redrive", "let events be tried again, at once and with all their attempts", _redrive)
    _add_act(redrive, assembly, reason_required=False)
    discard = _verb(verbs, "discard", "close events without an effect; their bodies are kept", _discard)
    _add_act(discard, assembly, reason_required=True)
    actions = _verb(verbs, "actions", "what operators did, newest first", _actions)
    actions.add_argument("key", nargs="?", type=_key, metavar="KEY", help="of this event only")
    actions.add_argument("--limit", type=_at_least_one, default=LIST_DEFAULT, help=f"default {LIST_DEFAULT}")
    return parser


def _verb(verbs: Any, name: str, text: str, run: Callable[..., None]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="a JSON object per line, for programs")
    parser.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE, help="of messages")
    parser.set_defaults(run=run)
    return parser


def _add_selection(parser: argparse.ArgumentParser, assembly: Assembly) -> None:
    now = assembly.clock.now()

    def instant(text: str) -> datetime:
        return _instant(text, now)

    chosen = parser.add_argument_group("which events")
    chosen.add_argument(
        "--state", action="append", choices=(PARKED, DEFERRED, DISCARDED, "any"), help="default parked; repeatable"
    )
    chosen.add_argument("--type", help="e.g. membership.member.admitted")
    chosen.add_argument("--source", help="e.g. urn:lianmeng:membership")
    chosen.add_argument("--subject", help="id of the thing it happened to")
    chosen.add_argument("--id", dest="event_id", help="id of the event")
    when = "an age such as 90s, 15m, 2h, 3d, or an instant with its offset"
    chosen.add_argument("--older-than", dest="received_before", type=instant, metavar="WHEN", help=when)
    chosen.add_argument("--newer-than", dest="received_after", type=instant, metavar="WHEN", help="likewise")


def _add_act(parser: argparse.ArgumentParser, assembly: Assembly, *, reason_required: bool) -> None:
    parser.add_argument("keys", nargs="*", type=_key, metavar="KEY", help="events by key; or choose by the options")
    _add_selection(parser, assembly)
    parser.add_argument("--all", action="store_true", help="all parked events, up to the limit")
    parser.add_argument(
        "--limit",
        type=_at_least_one,
        default=parking.ACT_EVENTS_DEFAULT,
        help=f"events chosen by options, at most; default {parking.ACT_EVENTS_DEFAULT}, never above {parking.ACT_EVENTS_MAX}",
    )
    parser.add_argument("--reason", type=_reason, required=reason_required, help="why; kept in the audit")
    parser.add_argument("--by", required=True, metavar="NAME", type=_name, help="who you are; kept in the audit")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.set_defaults(usage_error=parser.error)


# ------------------------------------------------------------ the verbs
def _list(assembly: Assembly, options: argparse.Namespace) -> None:
    with assembly.reading() as reading:
        rows = parking.list_events(reading, _selection(options), limit=options.limit + 1, after=options.after)
    shown = rows[: options.limit]
    _print([_event(row) for row in shown], _EVENT_COLUMNS, options)
    if len(rows) > len(shown):
        _say_on_the_side(assembly, options, "parking.more", position=_position_text(shown[-1]))


def _show(assembly: Assembly, options: argparse.Namespace) -> None:
    with assembly.reading() as reading:
        row = parking.get_event(reading, options.key)
        count, behind = parking.waiting_behind(reading, row)
        actions = parking.list_actions(reading, limit=LIST_DEFAULT, key=options.key)
    body = bytes(row.body or b"")
    envelope, excerpt = parking.read_body(body) if body else (None, None)
    found = {
        **_event(row),
        "bytes": len(body),
        "envelope": envelope,
        "excerpt": excerpt,
        "waiting_behind": count,
        "behind": [_event(each) for each in behind],
        "actions": [_action(each) for each in actions],
    }
    _write(json.dumps(found, ensure_ascii=False, indent=None if options.json else 2))


def _redrive(assembly: Assembly, options: argparse.Namespace) -> None:
    _act(assembly, options, Wish(parking.REDRIVE, _which(options), options.reason, options.limit, options.dry_run))


def _discard(assembly: Assembly, options: argparse.Namespace) -> None:
    _act(assembly, options, Wish(parking.DISCARD, _which(options), options.reason, options.limit, options.dry_run))


def _act(assembly: Assembly, options: argparse.Namespace, wish: Wish) -> None:
    with assembly.begin() as work:
        outcome = parking.act(work, Operator(options.by, "command"), wish)
    lines = [{"changed": True, **_event(row)} for row in outcome.changed]
    lines += [{"changed": False, **_event(row)} for row in outcome.unchanged]
    _print(lines, ("changed", *_EVENT_COLUMNS), options)
    if options.json:
        _write(json.dumps(_summary(outcome)))
    else:
        code = f"parking.{'would_' if wish.dry_run else ''}{wish.action}"
        _say_on_the_side(assembly, options, code, **_summary(outcome))


def _actions(assembly: Assembly, options: argparse.Namespace) -> None:
    with assembly.reading() as reading:
        rows = parking.list_actions(reading, limit=options.limit, key=options.key)
    _print([_action(row) for row in rows], _ACTION_COLUMNS, options)


# ------------------------------------------------------------ what was asked for
def _selection(options: argparse.Namespace) -> Selection:
    states = options.state or [PARKED]
    return Selection(
        states=parking.STATES if "any" in states else tuple(dict.fromkeys(states)),
        type=options.type,
        source=options.source,
        subject=options.subject,
        event_id=options.event_id,
        received_before=options.received_before,
        received_after=options.received_after,
    )


def _which(options: argparse.Namespace) -> Selection | list[parking.Key]:
    names = ("state", "type", "source", "subject", "event_id", "received_before", "received_after")
    chosen = options.all or any(getattr(options, name) is not None for name in names)
    if bool(options.keys) == chosen:
        # Neither, and a slip of the finger would reach every event; both, and nobody knows which was meant.
        options.usage_error("name events by KEY, or choose them by options (--all for all parked ones)")
    if len(options.keys) > parking.ACT_EVENTS_MAX:
        options.usage_error(f"at most {parking.ACT_EVENTS_MAX} events at once")
    return list(dict.fromkeys(options.keys)) or _selection(options)


def _key(text: str) -> parking.Key:
    try:
        return parse_key(text)
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(f"no key of an event: {text!r}") from refusal


def _position(text: str) -> Position:
    when, _, key = text.partition("/")
    try:
        return datetime.fromisoformat(when), *parse_key(key)
    except (ValueError, Refusal) as error:
        raise argparse.ArgumentTypeError(f"no position of a list: {text!r}") from error


def _position_text(row: Any) -> str:
    return f"{rfc3339(row.received_at)}/{key_text(row.source, row.event_id)}"


def _instant(text: str, now: datetime) -> datetime:
    age = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if age is not None:
        return now - timedelta(seconds=int(age[1]) * _UNITS[age[2]])
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"neither an age (90s, 15m, 2h, 3d) nor an instant with offset: {text!r}")
    return instant


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= parking.ACT_EVENTS_MAX):
        raise argparse.ArgumentTypeError(f"a number from 1 to {parking.ACT_EVENTS_MAX}, not {text!r}")
    return int(text)


def _reason(text: str) -> str:
    return _line(text, parking.REASON_CHARACTERS_MAX)


def _name(text: str) -> str:
    return _line(text, 200)


def _line(text: str, characters_max: int) -> str:
    line = text.strip()
    if not line or len(line) > characters_max or not line.isprintable():
        raise argparse.ArgumentTypeError(f"one line of 1 to {characters_max} characters")
    return line


# ------------------------------------------------------------ what is told
def _event(row: Any) -> dict[str, Any]:
    names = (
        "state", "source", "event_id", "type", "subject", "sequence", "attempts", "reason", "received_at",
        "next_attempt_at", "settled_at", "overtaken_by",
    )  # fmt: skip
    return {"key": key_text(row.source, row.event_id), **{name: _plain(getattr(row, name)) for name in names}}


def _action(row: Any) -> dict[str, Any]:
    told = {name: _plain(value) for name, value in row._asdict().items()}
    return {**told, "key": key_text(row.source, row.event_id) if row.event_id else None}


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _summary(outcome: Outcome) -> dict[str, Any]:
    return {
        "action": outcome.action,
        "dry_run": outcome.dry_run,
        "changed": len(outcome.changed),
        "unchanged": len(outcome.unchanged),
        "remaining": outcome.remaining,
    }


def _print(lines: Sequence[Mapping[str, Any]], columns: Sequence[str], options: argparse.Namespace) -> None:
    if options.json:
        for each in lines:
            _write(json.dumps(each, ensure_ascii=False))
    elif lines:
        cells = [list(columns), *([_cell(name, each[name]) for name in columns] for each in lines)]
        widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
        for row in cells:
            _write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(column: str, value: Any) -> str:
    text = {None: "", True: "yes", False: "no"}.get(value) if value is None or isinstance(value, bool) else str(value)
    # What strangers sent must not move the cursor of a terminal.
    harmless = "".join(each if each.isprintable() else "\ufffd" for each in text or "")
    return harmless[: _WIDTHS.get(column)]


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _say_on_the_side(assembly: Assembly, options: argparse.Namespace, code: str, **params: Any) -> None:
    """To stderr: stdout holds the events alone."""
    sys.stderr.write(f"{assembly.texts.render(code, options.language, **params)}\n")
