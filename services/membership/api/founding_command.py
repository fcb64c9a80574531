"""`python -m shared.runtime membership found FILE`: the console's way to found the alliance.

It reads, reports and hands over; it decides nothing. A file with faults is refused whole: every fault on a line of
its own, exit status 1, nothing stored.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from services.membership.commands.founding import (
    Founded,
    Invitation,
    ensure_same_founding,
    find_adopted_rules,
    found,
)
from services.membership.commands.passwords import hash_password
from services.membership.domain.founding import Founding, FoundingRules
from services.membership.schemas.founding import FoundingFile, FoundingRefused, read_founding
from services.membership.schemas.founding_charter import CharterUnreadable, read_charter_rules
from services.membership.schemas.founding_nodes import LinedFault
from shared.errors import Refusal
from shared.runtime.assembly import Assembly
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES

DONE = 0
REFUSED = 1


def run_found(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Found the alliance from a file. Exit status 0: founded, or founded so already; 1: refused, nothing stored."""
    options = _parser().parse_args(list(arguments))
    console = _Console(assembly, options.language)
    if options.demo_password and assembly.settings.profile == "production":
        return console.refuse("founding.demo_password_in_production")
    if options.demo_password and options.invitations is not None:
        return console.refuse("founding.password_or_invitations")
    try:
        told = read_charter_rules(options.charter.read_bytes()) if options.charter else FoundingRules()
    except CharterUnreadable as unreadable:
        return console.refuse_charter(options.charter, unreadable)
    except OSError:
        return console.refuse("founding.charter_unreadable", file=str(options.charter))
    try:
        rules = _rules_in_force(assembly, told)
        file = read_founding(options.file.read_bytes(), rules)
    except FoundingRefused as refused:
        return console.refuse_file(options.file, refused.faults)
    except OSError:
        return console.refuse("founding.file_unreadable", file=str(options.file))
    console.warn(file.warnings)
    if not rules.kinds:
        console.say("founding.catalogue_unchecked")
    try:
        return _found(assembly, console, file, options)
    except Refusal as refusal:
        return console.refuse(refusal.code, **refusal.params)
    except FileExistsError:
        return console.refuse("founding.invitations_exist", file=str(options.invitations))
    except OSError as error:
        reason = error.strerror or str(error)
        return console.refuse("founding.invitations_unwritable", file=str(options.invitations), reason=reason)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shared.runtime membership found", description="Found the alliance from a founding file."
    )
    parser.add_argument("file", type=Path, help="the founding file (YAML)")
    parser.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE)
    parser.add_argument("--charter", type=Path, help="charter file (TOML) to check kinds, counties and seats against")
    parser.add_argument(
        "--demo-password", default="", help="one password for all accounts; demo and test profiles only"
    )
    parser.add_argument("--invitations", type=Path, help="CSV file to write the invitation codes to; must not exist")
    return parser


def _rules_in_force(assembly: Assembly, told: FoundingRules) -> FoundingRules:
    """What the named charter file told, and the charter that membership has received where it has."""
    with assembly.reading() as reading:
        return find_adopted_rules(reading, told)


def _found(assembly: Assembly, console: _Console, file: FoundingFile, options: argparse.Namespace) -> int:
    founding: Founding = file.founding
    with assembly.reading() as reading:
        if ensure_same_founding(reading, founding):
            console.say("founding.already_founded", name=founding.name)
            return DONE
    if not options.demo_password and options.invitations is None:
        return console.refuse("founding.invitations_needed")
    password_hash = hash_password(options.demo_password) if options.demo_password else None
    secret = assembly.settings.secret_or_demo()
    written: Path | None = None
    try:
        with assembly.begin() as work:
            founded = found(work, founding, master_secret=secret, password_hash=password_hash)
            if founded.invitations:
                # Before the commit: codes that nobody could read would leave an alliance nobody can enter.
                _write_invitations(options.invitations, founded.invitations)
                written = options.invitations
    except BaseException:
        if written is not None:
            written.unlink(missing_ok=True)
        raise
    console.report(founding, founded, written)
    return DONE


def _write_invitations(file: Path, invitations: Iterable[Invitation]) -> None:
    """Codes are as good as passwords: the file is new, and its owner's alone."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # With a mark, because the spreadsheets of most offices take a CSV without one for GBK.
    try:
        # With a mark, because the spreadsheets of most offices take a CSV without one for GBK.
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(("unit", "person", "username", "invitation_code"))
            rows.writerows((each.unit, each.person, each.username, each.code) for each in invitations)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        file.unlink(missing_ok=True)
        raise


class _Console:
    """Speaks to whoever typed the command, in one language."""

    def __init__(self, assembly: Assembly, language: str) -> None:
        self._texts = assembly.texts
        self._language = language

    def say(self, code: str, **params: object) -> None:
        sys.stdout.write(self._texts.render(code, self._language, **params) + "\n")

    def refuse(self, code: str, **params: object) -> int:
        sys.stderr.write(self._texts.render(code, self._language, **params) + "\n")
        return REFUSED

    def refuse_file(self, file: Path, faults: Sequence[LinedFault]) -> int:
        for each in faults:
            sys.stderr.write(self._line(each) + "\n")
        return self.refuse("founding.file_refused", file=str(file), faults=len(faults))

    def refuse_charter(self, file: Path, unreadable: CharterUnreadable) -> int:
        if unreadable.line is not None:
            return self.refuse("founding.charter_syntax", file=str(file), line=unreadable.line)
        if unreadable.missing:
            return self.refuse("founding.charter_incomplete", file=str(file), missing=unreadable.missing)
        return self.refuse("founding.charter_unreadable", file=str(file))

    def warn(self, warnings: Iterable[LinedFault]) -> None:
        for each in warnings:
            self.say("founding.warning", line=self._line(each))

    def report(self, founding: Founding, founded: Founded, invitations: Path | None) -> None:
        self.say("founding.done", name=founding.name, members=founded.members, accounts=founded.accounts)
        if invitations is not None:
            self.say("founding.invitations_written", file=str(invitations), codes=len(founded.invitations))

    def _line(self, each: LinedFault) -> str:
        what = self._texts.render(each.fault.code, self._language, **each.fault.params)
        field = each.fault.field
        return self._texts.render(
            "founding.fault_line" if field else "founding.fault_line_only",
            self._language,
            line=each.line,
            field=field,
            what=what,
        )
