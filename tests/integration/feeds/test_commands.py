"""The operator's commands on the feeds, against services that answer over TCP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.embedded.alliance import dispatcher
from deploy.embedded.http_server import HttpServer
from services.finance.tables import accounts
from services.meetings.tables import offices, units
from services.notifications.tables import archive
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.messaging.rebuilding import SHOWN_MAX
from shared.persistence.database import Leadership
from shared.runtime.assembly import Assembly
from shared.web.app_factory import create_app
from shared.web.feed_commands import run_catch_up, run_rebuild, run_restore_point
from tests.builders.founding import PASSWORD
from tests.fixtures.assemblies import bearer
from tests.integration.feeds.alliance import Backups, Bus, People
from tests.servers.ports import HOST

Command = Callable[..., int]


@pytest.fixture
def gateway(bus: Bus) -> Iterator[str]:
    """One address for the four services."""
    server = HttpServer(HOST, 0)
    server.start(dispatcher({name: create_app(each).wsgi_app for name, each in bus.assemblies.items()}, _nothing))
    yield server.url
    server.stop()


@pytest.fixture
def run(bus: Bus, gateway: str, tmp_path: Path) -> Command:
    """`run(run_rebuild, "meetings", "--swap")`: the command as the operator who signs in; its exit status."""

    def call(command: Callable[[Assembly, list[str]], int], service: str, *options: str) -> int:
        password = tmp_path / "password"
        password.write_text(PASSWORD, "utf-8")
        who = ["--user", "operator", "--secret-file", str(password)]
        return command(bus.assemblies[service], ["--from", gateway, *who, "--language", "en", *options])

    return call


def _nothing(_environ: object, start_response: Callable[..., object]) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


def change(assembly: Assembly, statement: sa.Executable) -> None:
    with assembly.begin() as work:
        work.execute(statement)


def names(assembly: Assembly) -> list[str]:
    with assembly.reading() as reading:
        return [row.unit_name for row in reading.all(sa.select(units.c.unit_name).order_by(units.c.number))]


def test_a_broken_roll_is_found_named_and_mended(
    without_test_key: Bus, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a roll with a unit's name changed by hand
    meetings = without_test_key.assemblies["meetings"]
    before = names(meetings)
    change(meetings, sa.update(units).where(units.c.unit_name == before[0]).values(unit_name="forged"))

    # when the operator looks, mends, and looks again
    looked = run(run_rebuild, "meetings")
    said = capsys.readouterr().out
    mended = run(run_rebuild, "meetings", "--swap")
    again = run(run_rebuild, "meetings")

    # then it was named, it is gone, and the exit status says so each time
    assert (looked, mended, again) == (1, 0, 0)
    assert f"unit_name: 'forged' → {before[0]!r}" in said
    assert "electoral roll: 1 rows differ." in said
    assert names(meetings) == before


def test_catching_up_says_what_came_of_it(
    bus: Bus, backups: Backups, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    # given finance without the last member
    url = backups.take("finance")
    People(bus).admit()
    before = backups.put_back("finance", url)
    capsys.readouterr()

    # when it catches up, twice
    first, said = run(run_catch_up, "finance"), capsys.readouterr().out
    second, said_again = run(run_catch_up, "finance"), capsys.readouterr().out

    # then the account is there, and the second time there was nothing to do
    assert (first, second) == (0, 0)
    assert "1 took effect" in said
    assert " 0 took effect" in said_again
    with bus.assemblies["finance"].reading() as reading:
        assert reading.scalar(sa.select(sa.func.count()).where(accounts.c.member_id.is_not(None))) == 16
    before.close()


def test_a_service_whose_worker_runs_is_left_alone(bus: Bus, run: Command, capsys: pytest.CaptureFixture[str]) -> None:
    leadership = Leadership(bus.assemblies["finance"].database, "relay:finance")
    assert leadership.ensure()

    refused = run(run_catch_up, "finance")
    beside = run(run_catch_up, "finance", "--beside-worker")

    leadership.release()
    assert (refused, beside) == (1, 0)
    assert "The worker of finance runs" in capsys.readouterr().err


def test_the_restore_point_lists_and_raises(
    bus: Bus, backups: Backups, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    # given membership before an application
    url = backups.take("membership")
    People(bus).apply()
    before = backups.put_back("membership", url)
    capsys.readouterr()

    # when the operator asks what was lost, and raises the numbers
    assert run(run_restore_point, "membership") == 0
    *lost, summary = [line for line in capsys.readouterr().out.splitlines() if "http.request" not in line]
    assert run(run_restore_point, "membership", "--apply") == 0

    # then each lost event is a line, whole enough to be entered again
    told = {each["type"]: each["data"] for each in map(json.loads, lost)}
    assert set(told) == {"membership.application.submitted", "membership.application.accepted"}
    assert told["membership.application.submitted"]["unit_name"] == "醴陵陶瓷创新服务有限公司"
    assert summary.startswith("2 events that were told are not here")
    before.close()


def test_a_ready_token_will_do(bus: Bus, gateway: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    headers = bearer(bus.assemblies["membership"], scopes=["events:read"])
    token.write_text(headers["Authorization"].removeprefix("Bearer "), "utf-8")

    assert run_catch_up(bus.assemblies["finance"], ["--from", gateway, "--token-file", str(token)]) == 0


def test_whoever_may_not_read_is_told_why(
    bus: Bus, gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("nothing", "utf-8")

    status = run_catch_up(
        bus.assemblies["finance"], ["--from", gateway, "--token-file", str(token), "--language", "en"]
    )

    assert status == 1
    assert "The feed of" in capsys.readouterr().err


def test_what_keeps_a_rebuild_from_mending_is_said(
    without_test_key: Bus, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a roll that is empty, an admission that was discarded, and one that membership's feed lost
    meetings, membership = (without_test_key.assemblies[name] for name in ("meetings", "membership"))
    with meetings.reading() as reading:
        admitted = reading.all(
            sa.select(inbox.c.event_id, inbox.c.subject)
            .join(offices, offices.c.unit_id == inbox.c.subject)
            .where(inbox.c.type == "membership.member.admitted")
            .distinct()
            .limit(2)
        )
    change(meetings, sa.update(inbox).where(inbox.c.event_id == admitted[0].event_id).values(state="discarded"))
    change(membership, sa.delete(outbox).where(outbox.c.event_id == admitted[1].event_id))
    change(meetings, sa.delete(offices))
    capsys.readouterr()

    # when it is to be mended
    status = run(run_rebuild, "meetings", "--swap")

    # then nothing is, and each reason has its line
    said = capsys.readouterr().out
    assert status == 1
    assert f"urn:lianmeng:membership {admitted[1].event_id}: had its effect here, and no feed has it any more" in said
    assert "was refused when played again: roll.unit_unknown" in said
    assert "1 events of the feeds have had no effect here yet" in said
    assert f"units {admitted[0].subject}: should not be there" in said
    assert "0 were mended" in said


def test_a_long_list_of_differences_ends_with_a_count(
    without_test_key: Bus, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    # given an archive in which every event was forged, and as many invented as are told one by one
    notifications = without_test_key.assemblies["notifications"]
    with notifications.reading() as reading:
        forged = [row._asdict() for row in reading.all(sa.select(archive))]
    assert len(forged) < SHOWN_MAX
    change(notifications, sa.update(archive).values(article="forged", subject="forged"))
    invented = [{**forged[0], "event_id": f"invented-{number}"} for number in range(SHOWN_MAX)]
    change(notifications, sa.insert(archive).values(invented))
    capsys.readouterr()

    assert run(run_rebuild, "notifications") == 1

    said = capsys.readouterr().out
    assert said.count("'forged' →") == 2 * len(forged)
    assert said.count("archive invented-") == SHOWN_MAX - len(forged)
    assert f"… and {len(forged)} more rows." in said
    assert f"archive: {len(forged) + SHOWN_MAX} rows differ." in said
