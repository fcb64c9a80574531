"""`python -m deploy.embedded demo|serve|rebuild`: an alliance in one process.

demo    found a sample alliance in an emptied folder, play the admission story, then serve (`--once`: end instead)
serve   run the alliance in a folder until SIGTERM; prints one JSON line with the address when it answers
rebuild make a service's projections anew from the feeds, in a folder that nobody serves; `--swap` mends
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from deploy.embedded import demo, rebuilding, serving
from deploy.embedded.alliance import SERVICES
from shared.errors import Refusal
from shared.runtime.assembly import SHARED_TEXTS
from shared.runtime.settings import SettingsRefused
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES, Texts
from shared.web.feed_commands import add_rebuild_options

TEXTS = Path(__file__).parent / "texts"


def main(arguments: Sequence[str]) -> int:
    """Run until done or told to stop; returns the exit status. 1: something is missing or refused."""
    options = _parser().parse_args(arguments)
    texts = Texts.load([SHARED_TEXTS, TEXTS])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        if options.command == "demo":
            return demo.run(options, texts, stop)
        if options.command == "rebuild":
            return rebuilding.run(options)
        return serving.run(options, stop)
    except Refusal as refusal:
        sys.stderr.write(texts.render(refusal.code, options.language, **refusal.params) + "\n")
    except SettingsRefused as refused:
        sys.stderr.write(f"{refused}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("demo", "serve"):
        command = commands.add_parser(name)
        command.add_argument("--host", default="127.0.0.1", help="address to listen on")
        command.add_argument(
            "--port", type=int, help=f"port to listen on, 0: any; else {serving.PORT}, or any if taken"
        )
        command.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE)
        if name == "demo":
            command.add_argument("--data", type=Path, default=Path("var/demo"), help="folder; emptied at the start")
            command.add_argument("--once", action="store_true", help="end after the story")
        else:
            command.add_argument("--data", type=Path, required=True, help="folder of the alliance")
            _add_serve_options(command)
    rebuild = commands.add_parser("rebuild")
    rebuild.add_argument("service", choices=SERVICES)
    rebuild.add_argument("--data", type=Path, required=True, help="folder of the alliance")
    rebuild.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE)
    add_rebuild_options(rebuild)
    return parser


def _add_serve_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--charter", type=Path, help="charter to adopt first, if it is not in force already")
    command.add_argument("--found", type=Path, metavar="FILE", help="founding file to found the alliance from first")
    command.add_argument("--demo-password", default="", help="one password for all founded accounts; not in production")
    command.add_argument("--invitations", type=Path, help="where `--found` writes the invitation codes")
    command.add_argument("--smtp", metavar="HOST:PORT", help="mail server without TLS, for tests; else LIANMENG_SMTP_*")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
