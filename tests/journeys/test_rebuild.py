"""A projection that somebody broke by hand: the operator has it found, named and mended, however the alliance runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.deployment import Distributed, Embedded, Sinks
from tests.deployment.addresses import PASSWORD, SERVICES
from tests.deployment.process import ROOT, base_environment
from tests.journeys.alliance import Alliance

FORGED = "Forged by hand"


@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_a_broken_roll_is_mended_while_everything_runs(
    distributed_alliance: Alliance, distributed_deployment: Distributed, tmp_path: Path
) -> None:
    # given a roll in the database of meetings in which a unit has another name
    names = "SELECT unit_id, unit_name FROM units ORDER BY unit_id"
    before = distributed_deployment.query("meetings", names)
    broken = before[0][0]
    forge = "UPDATE units SET unit_name = %s WHERE unit_id = %s RETURNING unit_id"
    assert distributed_deployment.query("meetings", forge, (FORGED, broken)) == [(broken,)]

    # when the operator rebuilds it, signed in, from the services' own addresses
    password = tmp_path / "password"
    password.write_text(PASSWORD, "utf-8")
    who = ["--user", "operator", "--secret-file", str(password), "--language", "en"]
    where = [option for name in SERVICES for option in ("--from", f"{name}={distributed_deployment.urls[name]}")]
    said = distributed_deployment.run("meetings", "rebuild", *where, *who, "--swap")

    # then the row is named, and it is what it was
    assert f"units {broken}: unit_name: '{FORGED}'" in said
    assert "1 rows differed, 1 were mended" in said
    assert distributed_deployment.query("meetings", names) == before


def test_a_broken_roll_is_mended_in_a_folder_nobody_serves(tmp_path: Path, founding_file: Path) -> None:
    # given an embedded alliance that was founded and stopped, and a unit of it lost from the roll
    with Embedded(tmp_path, founding_file, Sinks()) as running, httpx.Client(timeout=30, trust_env=False) as client:
        Alliance(running, client).wait_until_founded()
    roll = sqlite3.connect(tmp_path / "data" / "meetings.sqlite")
    before = roll.execute("SELECT * FROM units ORDER BY unit_id").fetchall()
    with roll:
        roll.execute("DELETE FROM offices WHERE unit_id = ?", (before[0][0],))
        roll.execute("DELETE FROM units WHERE unit_id = ?", (before[0][0],))

    # when it is looked at, mended, and looked at again
    statuses, said = zip(*(_rebuild(tmp_path / "data", *options) for options in ((), ("--swap",), ())), strict=True)

    # then the loss was named and is made good
    assert statuses == (1, 0, 0)
    assert f"units {before[0][0]}: missing" in said[0]
    assert roll.execute("SELECT * FROM units ORDER BY unit_id").fetchall() == before
    roll.close()


def _rebuild(folder: Path, *options: str) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "deploy.embedded",
        "rebuild",
        "meetings",
        "--data",
        str(folder),
        "--language",
        "en",
    ]
    done = subprocess.run(
        [*command, *options], check=False, cwd=ROOT, env=base_environment(), capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
