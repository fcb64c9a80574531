"""Console commands on the feeds: catch up, rebuild, find the point to which a restored service must be raised.

They ask the other services' feeds over HTTP, as any outside program would, signed in as an operator or as a platform
with the scope `events:read`. Nothing here decides; `shared.runtime.feeds` does the work.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx

from shared.errors import Refusal
from shared.messaging.rebuilding import Rebuilt
from shared.messaging.sources import Source
from shared.runtime import feeds
from shared.runtime.assembly import Assembly
from shared.runtime.service import ConsoleCommand
from shared.runtime.texts import DEFAULT_LANGUAGE, LANGUAGES
from shared.web.client import ApiClient, ApiRefused, ClientCredentials, PersonCredentials
from shared.web.feed_client import RemoteFeed

DONE, DIFFERENT, REFUSED = 0, 1, 1
#: Events between two lines of progress.
PROGRESS_EVERY = 5_000

Say = Callable[..., None]


def run_catch_up(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Take in what the feeds of others hold and this service has not had."""
    parser = _parser("catch-up", run_catch_up)
    parser.add_argument(
        "--after", action="append", default=[], metavar="SERVICE=N", help="go on behind this number of a feed"
    )
    parser.add_argument(
        "--beside-worker",
        action="store_true",
        help="although the worker runs; for a consumer that lacks old events only",
    )
    options = parser.parse_args(list(arguments))
    say = _speaker(assembly, options.language)

    def run(sources: Collection[Source]) -> int:
        after = {name: int(number) for name, _, number in (each.partition("=") for each in options.after)}
        kept_out = nullcontext() if options.beside_worker else feeds.worker_kept_out(assembly)
        with kept_out:
            numbers, counts = feeds.catch_up(assembly, sources, after=after, report=progress(say))
        say("feed.caught_up", numbers=_told(numbers), **_small(counts))
        return DONE

    return _with_feeds(assembly, options, say, run)


def run_rebuild(assembly: Assembly, arguments: Sequence[str]) -> int:
    """Rebuild what follows from others' events; exit status 1 where the real tables differ and were not mended."""
    parser = _parser("rebuild", run_rebuild)
    add_rebuild_options(parser)
    options = parser.parse_args(list(arguments))
    say = _speaker(assembly, options.language)
    return _with_feeds(assembly, options, say, lambda sources: rebuild_and_tell(assembly, sources, options))


def add_rebuild_options(parser: argparse.ArgumentParser) -> None:
    """What every way to `rebuild` understands."""
    parser.add_argument("--swap", action="store_true", help="mend the real tables where they differ")
    parser.add_argument(
        "--accept-unsourced",
        action="store_true",
        help="mend although feeds lack events that had their effect: the rows which only those made go",
    )


def rebuild_and_tell(assembly: Assembly, sources: Collection[Source], options: argparse.Namespace) -> int:
    """Rebuild, and say what was found."""
    say = _speaker(assembly, options.language)
    try:
        found = feeds.rebuild_projections(
            assembly,
            sources,
            swap=options.swap,
            accept_unsourced=options.accept_unsourced,
            report=progress(say),
        )
    except Refusal as refusal:
        return _refuse(assembly, options.language, refusal)
    _tell_rebuilt(say, found)
    return DONE if not found.differ or found.mended else DIFFERENT


def run_restore_point(assembly: Assembly, arguments: Sequence[str]) -> int:
    """For a service restored to an earlier point: what it had told after that, and numbers it must not give again."""
    parser = _parser("restore-point", run_restore_point)
    parser.add_argument("--apply", action="store_true", help="raise the numbers; without it, only list")
    parser.add_argument("--archive", default="notifications", help="the service that archives all events")
    options = parser.parse_args(list(arguments))
    say = _speaker(assembly, options.language)
    with _clients(options) as client_of:
        archived = client_of(options.archive).items(
            f"/api/{options.archive}/v1/archive", service=assembly.service.name, limit=100
        )
        try:
            kept_out = feeds.worker_kept_out(assembly) if options.apply else nullcontext()
            with kept_out:
                point = feeds.restore_point(assembly, archived, apply=options.apply, lost=_print_event)
        except Refusal as refusal:
            return _refuse(assembly, options.language, refusal)
        except (ApiRefused, httpx.HTTPError) as error:
            say("feed.not_readable", service=options.archive, reason=str(error))
            return REFUSED
    say(
        "restore.raised" if options.apply else "restore.found",
        lost=point.lost,
        head=point.head,
        subjects=point.subjects,
    )
    return DONE


def progress(say: Say) -> feeds.Report:
    """Tells every few thousand events how far it is."""
    told = 0

    def report(numbers: Mapping[str, int]) -> None:
        nonlocal told
        so_far = sum(numbers.values())
        if so_far >= told + PROGRESS_EVERY:
            told = so_far
            say("feed.progress", numbers=_told(numbers))

    return report


COMMANDS: Mapping[str, ConsoleCommand] = {
    "catch-up": run_catch_up,
    "rebuild": run_rebuild,
    "restore-point": run_restore_point,
}


def _parser(command: str, described: Callable[..., int]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m shared.runtime SERVICE {command}", description=described.__doc__)
    parser.add_argument(
        "--from",
        dest="addresses",
        action="append",
        required=True,
        metavar="[SERVICE=]URL",
        help="where the services answer; once for a gateway, or once for each service",
    )
    parser.add_argument(
        "--services", default="", help="whose feeds, separated by commas; else those it is known to hear"
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--client", metavar="ID", help="a platform with the scope events:read")
    who.add_argument("--user", metavar="NAME", help="an operator's account")
    who.add_argument("--token-file", type=Path, help="a file with a token that is valid now")
    parser.add_argument("--secret-file", type=Path, help="the client's secret or the user's password; else asked for")
    parser.add_argument("--language", choices=LANGUAGES, default=DEFAULT_LANGUAGE)
    return parser


def _with_feeds(
    assembly: Assembly, options: argparse.Namespace, say: Say, run: Callable[[Collection[Source]], int]
) -> int:
    names = options.services.split(",") if options.services else feeds.services_heard(assembly)
    try:
        with _clients(options) as client_of:
            return run([RemoteFeed(name, client_of(name)) for name in names])
    except Refusal as refusal:
        return _refuse(assembly, options.language, refusal)
    except (ApiRefused, httpx.HTTPError) as error:
        say("feed.not_readable", service=", ".join(names), reason=str(error))
        return REFUSED


@contextmanager
def _clients(options: argparse.Namespace) -> Iterator[Callable[[str], ApiClient]]:
    """Clients by service; all sign in in the same way, where membership answers."""
    addresses = {
        name if url else "": url or name for name, _, url in (each.partition("=") for each in options.addresses)
    }
    everywhere = addresses.get("", next(iter(addresses.values())))
    signing_in = addresses.get("membership", everywhere)
    rights: dict[str, Any] = {}
    if options.token_file:
        rights["token"] = options.token_file.read_text("utf-8").strip()
    else:
        secret = options.secret_file.read_text("utf-8").strip() if options.secret_file else getpass.getpass()
        rights["credentials"] = (
            ClientCredentials(options.client, secret) if options.client else PersonCredentials(options.user, secret)
        )
    made: list[ApiClient] = []

    def client_of(service: str) -> ApiClient:
        client = ApiClient(
            addresses.get(service, everywhere), sign_in_at=signing_in, language=options.language, **rights
        )
        made.append(client)
        return client

    try:
        yield client_of
    finally:
        for client in made:
            client.close()


def _speaker(assembly: Assembly, language: str) -> Say:
    def say(code: str, **params: object) -> None:
        sys.stdout.write(assembly.texts.render(code, language, **params) + "\n")

    return say


def _refuse(assembly: Assembly, language: str, refusal: Refusal) -> int:
    sys.stderr.write(assembly.texts.render(refusal.code, language, **refusal.params) + "\n")
    return REFUSED


def _tell_rebuilt(say: Say, found: Rebuilt) -> None:
    for difference in found.differences:
        columns = "; ".join(f"{name}: {real!r} → {rebuilt!r}" for name, real, rebuilt in difference.columns)
        say(f"rebuild.{difference.kind}", table=difference.table, key=difference.key, columns=columns)
    if found.differ > len(found.differences):
        say("rebuild.more", more=found.differ - len(found.differences))
    for event in found.unsourced:
        say("rebuild.unsourced", event=event)
    for event, reason in found.refused:
        say("rebuild.refused", event=event, reason=reason)
    if found.waiting:
        say("rebuild.waiting", waiting=found.waiting)
    for name, count in found.counts.items():
        say("rebuild.projection", name=name, differ=count)
    say("rebuild.done", played=found.played, differ=found.differ, mended=found.mended)


def _print_event(event: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(dict(event), ensure_ascii=False) + "\n")


def _told(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name or '#'} {number}" for name, number in sorted(numbers.items()))


def _small(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("done", "duplicates", "deferred", "parked")}
