"""`python -m shared.runtime SERVICE COMMAND`: one service's processes and commands.

migrate    bring the database to the expected schema
prepare    migrate, and declare the service's queue at the broker; run for every service before any worker starts,
           or an early event would find no queue to wait in
worker     relay, consumer, deferred events and timers, until SIGTERM
parked     list, show, redrive, discard events that have not had their effect; `parked --help`
catch-up   take in what the feeds of other services hold and this one has not had
rebuild    make anew what follows from others' events, compare, with --swap mend
restore-point   after a restore to an earlier point: what was told since, and numbers not to be given again
and the service's own console commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from shared.runtime import commands
from shared.runtime.assembly import Assembly, assemble, load_service
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings, SettingsRefused
from shared.web import feed_commands


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status. 2: settings or usage."""
    parser = argparse.ArgumentParser(prog="python -m shared.runtime", description=__doc__, add_help=True)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("service", help="membership, meetings, finance or notifications")
    parser.add_argument("command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    service = load_service(options.service)
    known = {**commands.COMMANDS, **feed_commands.COMMANDS, **service.console_commands}
    if options.command not in known:
        parser.error(f"no command {options.command!r}; there are: {', '.join(sorted(known))}")
    try:
        settings = Settings.from_environment(service.name)
    except SettingsRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    configure_logging(settings.log_level, service.name)
    assembly = assemble(service, settings)
    try:
        speaks = options.command in {*service.console_commands, *feed_commands.COMMANDS, *commands.NEED_SCHEMA}
        if speaks and (missing := _missing(assembly)):
            sys.stderr.write(f"{missing}\n")
            return 1
        return known[options.command](assembly, options.arguments)
    finally:
        assembly.close()


def _missing(assembly: Assembly) -> str:
    """What keeps a command from the database, as a sentence; empty when nothing does."""
    try:
        behind = assembly.pending_migrations()
    except SQLAlchemyError as error:
        return assembly.texts.render("database.unreachable", error=type(error).__name__)
    return assembly.texts.render("database.schema_behind", missing=", ".join(behind)) if behind else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
