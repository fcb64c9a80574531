"""`demo`: a sample alliance is founded, the admission story is played and told, then the alliance keeps serving.

Exit status 0 only when everything the story must leave behind is there. All its accounts share one password that
everybody knows, so it listens on the loopback address unless told otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import threading
from pathlib import Path

import httpx

from deploy.embedded import outcome
from deploy.embedded.alliance import SERVICES, EmbeddedAlliance
from deploy.embedded.api_client import Api, ApiRefused, WaitedInVain
from deploy.embedded.data_folder import DataFolder
from deploy.embedded.serving import listen
from deploy.embedded.sinks import MailSink, WebhookSink
from deploy.embedded.story import Admission, Cast, Story
from deploy.embedded.teller import Step, Teller
from deploy.embedded.wording import count_notices, worth_showing
from shared.runtime.clock import SystemClock
from shared.runtime.identifiers import Identifiers
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings
from shared.runtime.texts import Texts

ROOT = Path(__file__).parents[2]
CHARTER = ROOT / "deploy" / "charter" / "zhuzhou.toml"
FOUNDING = ROOT / "deploy" / "demo" / "founding.yaml"
#: Of every account in the demo. Long enough for the house's own rule, known to everybody, refused in production.
PASSWORD = "lianmeng-demo"  # noqa: S105 - printed on the page
#: Sign-ins worth showing, each with the text that says who it is.
SHOWN = {
    name: f"sign_in.{name}"
    for name in ("secretary", "clerk", "treasurer", "operator", "authority", "centre", "window", "yanling")
}


class Refused(Exception):
    """A command of a service has refused; the text is what it printed."""


def run(options: argparse.Namespace, texts: Texts, stop: threading.Event) -> int:
    """Play, tell, serve until `stop`. Exit status 1 when anything is missing at the end."""
    # The terminal belongs to the story. Warnings such as "not yet here" are part of waiting; errors are not.
    configure_logging("ERROR", "embedded")
    with DataFolder(options.data) as folder, MailSink() as mail, WebhookSink() as hooks:
        folder.start_anew_for_demo()
        server = listen(options.host, options.port)

        def make_settings(service: str) -> Settings:
            return Settings(
                service=service,
                profile="demo",
                database_url=folder.database_url(service),
                public_url=server.url,
                smtp_host="127.0.0.1",
                smtp_port=mail.port,
                smtp_starttls=False,
                mail_from="lianmeng@alliance.example",
                webhooks_allow_private=True,
                demo_password=PASSWORD,
            )

        teller = Teller(texts, options.language, sys.stdout)
        with EmbeddedAlliance(server, make_settings) as alliance, httpx.Client(base_url=server.url) as http:
            status = _Demo(alliance, http, teller, mail, hooks, options.language).play()
            if not options.once and not status:
                _tell_how_to_go_on(teller, alliance.url, folder.path)
                stop.wait()
                teller.plain("embedded.stopping")
    return status


class _Demo:
    """One run of the story, from empty databases to the verdict."""

    def __init__(
        self,
        alliance: EmbeddedAlliance,
        http: httpx.Client,
        teller: Teller,
        mail: MailSink,
        hooks: WebhookSink,
        language: str,
    ) -> None:
        self._clock = SystemClock()
        self._alliance = alliance
        self._visitor = Api(http, self._clock, Identifiers(self._clock), language)
        self._teller = teller
        self._mail = mail
        self._hooks = hooks
        self._language = language

    def play(self) -> int:
        """Exit status 0 when everything is there."""
        started = self._clock.monotonic()
        try:
            self._found()
            cast, admission = Story(self._visitor, self._teller, PASSWORD, self._mail, self._hooks).play()
            missing = self._look(cast, admission)
        except (ApiRefused, WaitedInVain, Refused, httpx.HTTPError) as error:
            self._teller.failure(self._teller.say("story.failed", reason=str(error)))
            return 1
        if missing:
            self._teller.failure(self._teller.say("story.missing", missing=", ".join(missing)))
            return 1
        self._teller.plain("story.complete", seconds=f"{self._clock.monotonic() - started:.2f}")
        return 0

    def _found(self) -> None:
        """Charter and founding by the services' own commands, then everything is started."""
        self._alliance.migrate()
        started = self._clock.monotonic()
        self._command("meetings", "adopt-charter", str(CHARTER))
        adopted_ms = (self._clock.monotonic() - started) * 1000
        started = self._clock.monotonic()
        self._command("membership", "found", str(FOUNDING), "--charter", str(CHARTER), "--demo-password", PASSWORD)
        founded_ms = (self._clock.monotonic() - started) * 1000
        self._alliance.start()
        started = self._clock.monotonic()
        alliance = self._visitor.get("membership/v1/alliance")
        self._teller.headline(self._teller.say("story.headline", alliance=alliance["name"]))
        self._teller.plain("story.columns")
        version = self._visitor.get("meetings/v1/charter")["version"]
        self._teller.step(Step("story.charter_adopted", "meetings", "20", adopted_ms, {"version": version}))
        founded = {"members": alliance["members"], "seats": 7}
        self._teller.step(Step("story.founded", "membership", "1", founded_ms, founded))
        accounts = self._await_member_accounts(alliance["members"])
        elapsed_ms = (self._clock.monotonic() - started) * 1000
        self._teller.step(Step("story.member_accounts", "finance", "18", elapsed_ms, {"accounts": accounts}))

    def _await_member_accounts(self, members: int) -> int:
        """Every founding member's account: the events have been through all services."""
        treasurer = self._visitor.wait(
            "the treasurer's sign-in", lambda: self._visitor.signed_in("treasurer", PASSWORD)
        )

        def look() -> int | None:
            accounts = treasurer.get("finance/v1/accounts", limit=100)["items"]
            found = sum(1 for each in accounts if each["member_id"])
            return found if found >= members else None

        return self._visitor.wait("the founding members' accounts", look)

    def _look(self, cast: Cast, admission: Admission) -> list[str]:
        """Deliveries, timeline, records; gives what is missing."""
        missing = list(outcome.await_deliveries(self._teller, cast, admission, self._mail, self._hooks))
        entries = outcome.await_timeline(cast.secretary, admission)
        missing += outcome.lacking(entries) + outcome.missing_records(cast, admission)
        thread = {"entries": len(entries), "correlation_id": admission.correlation_id}
        self._teller.headline(self._teller.say("story.timeline", **thread))
        for entry in worth_showing(entries):
            self._teller.row(
                (f"{entry['elapsed_ms']:7.0f} ms", 10),
                (self._teller.say(f"service.{entry['service']}"), 13),
                (self._teller.article(entry["article"]), 14),
                (entry["title"], 0),
            )
        self._teller.plain("story.notices", notices=count_notices(entries))
        return missing

    def _command(self, service: str, command: str, *arguments: str) -> None:
        """A service's console command, its words kept back unless it refuses: the story tells what happened."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = self._alliance.run_command(service, command, [*arguments, "--language", self._language])
        if status:
            raise Refused(said.getvalue().strip())


def _tell_how_to_go_on(teller: Teller, url: str, folder: Path) -> None:
    teller.headline(teller.say("serving.headline"))
    teller.plain("serving.page", url=url)
    for service in SERVICES:
        teller.plain("serving.docs", url=url, service=service)
    teller.plain("serving.data", folder=str(folder))
    teller.plain("serving.sign_ins", password=PASSWORD)
    for username, who in SHOWN.items():
        teller.row(("", 2), (username, 12), (teller.say(who), 0))
