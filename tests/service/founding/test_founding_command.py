"""The `found` command: from a file to an alliance in one go, or to nothing at all."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.membership import tables
from shared.messaging.outbox import outbox
from shared.runtime.assembly import Assembly
from tests.builders.founding import COMMITTEE, PASSWORD, founding_yaml
from tests.fixtures.assemblies import MakeAssembly

ROOT = Path(__file__).parents[3]
CHARTER = ("--charter", str(ROOT / "deploy/charter/zhuzhou.toml"))
DEMO = ("--demo-password", PASSWORD)

Found = Callable[..., int]


@pytest.fixture
def membership(make_assembly: MakeAssembly) -> Assembly:
    return make_assembly("membership")


@pytest.fixture
def found(membership: Assembly, tmp_path: Path) -> Found:
    """`found(text, *options)`: the command on a file with this text; its exit status."""

    def run(text: str | bytes, *options: str, language: str = "en") -> int:
        file = tmp_path / "founding.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        command = membership.service.console_commands["found"]
        return command(membership, [str(file), "--language", language, *options])

    return run


def rows(assembly: Assembly, table: sa.Table) -> list[dict[str, Any]]:
    with assembly.reading() as reading:
        return [row._asdict() for row in reading.all(sa.select(table))]


def events(assembly: Assembly) -> list[str]:
    with assembly.reading() as reading:
        return [row.type for row in reading.all(sa.select(outbox).order_by(outbox.c.position))]


def nothing_is_stored(assembly: Assembly) -> bool:
    kept = (tables.alliance, tables.members, tables.accounts, tables.offices, tables.signing_keys, outbox)
    return all(rows(assembly, table) == [] for table in kept)


def test_a_file_becomes_roster_offices_accounts_and_events(membership: Assembly, found: Found) -> None:
    status = found(founding_yaml(15), *CHARTER, *DEMO)

    assert status == 0
    members = sorted(rows(membership, tables.members), key=lambda row: str(row["number"]))
    assert [member["number"] for member in members] == [f"ZZ-{number:04}" for number in range(1, 16)]
    assert all(member["founding"] for member in members)
    offices = [row["office"] for row in rows(membership, tables.offices)]
    assert sorted(offices) == [
        *["committee_member"] * 4,
        "director",
        "secretary_general",
        *["vice_director"] * 2,
    ]
    assert len(rows(membership, tables.accounts)) == 15 + 1 + 4
    told = events(membership)
    assert told[0] == "membership.signing_key.published"
    assert told.count("membership.member.admitted") == 15
    assert told.count("membership.office.filled") == len(COMMITTEE) + 1
    assert told.count("membership.account.opened") == 20
    assert told[-1] == "membership.alliance.founded"


def test_staff_represent_no_unit_and_have_no_vote(membership: Assembly, found: Found) -> None:
    found(founding_yaml(9), *CHARTER, *DEMO)

    accounts = {row["username"]: row for row in rows(membership, tables.accounts)}
    assert accounts["secretary"]["staff_roles"] == ["secretariat"]
    assert all(accounts[name]["member_id"] is None for name in ("secretary", "clerk", "treasurer", "operator"))
    assert accounts["unit3"]["staff_roles"] == []
    assert accounts["unit3"]["member_id"] is not None


def test_the_demo_file_founds_the_demo_alliance(membership: Assembly) -> None:
    command = membership.service.console_commands["found"]

    assert command(membership, [str(ROOT / "deploy/demo/founding.yaml"), *CHARTER, *DEMO]) == 0
    assert len(rows(membership, tables.members)) == 24


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "line 5: alliance.founded_on: `tomorrow` is not a date such as 2026-01-08"),
        ("zh-CN", "第 5 行：alliance.founded_on：“tomorrow”不是日期；请写成 2026-01-08 的样子"),
    ],
)
def test_a_file_with_faults_stores_nothing_and_prints_every_fault_with_its_line(
    membership: Assembly, found: Found, capsys: pytest.CaptureFixture[str], language: str, line: str
) -> None:
    # given a file with two faults
    text = founding_yaml(instead={"founded_on": "  founded_on: tomorrow", "number: 15": "  - number: 14"})

    # when it is founded from
    status = found(text, *CHARTER, *DEMO, language=language)

    # then both are named in the order of the file, and nothing is there
    said = capsys.readouterr().err.splitlines()
    assert status == 1
    assert said[0] == line
    assert "units[15].number" in said[1]
    assert len(said) == 3
    assert nothing_is_stored(membership)


def test_a_file_cut_off_in_the_middle_stores_nothing(membership: Assembly, found: Found) -> None:
    text = founding_yaml(15)

    assert found(text[: text.index("  - number: 15")], *CHARTER, *DEMO) == 1
    assert nothing_is_stored(membership)


def test_founding_the_same_again_changes_nothing_and_succeeds(
    membership: Assembly, found: Found, capsys: pytest.CaptureFixture[str]
) -> None:
    found(founding_yaml(9), *CHARTER, *DEMO)
    before = events(membership)

    assert found("# a remark changes nothing\n" + founding_yaml(9), *CHARTER, *DEMO) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert events(membership) == before


@pytest.mark.parametrize(
    "other",
    [
        founding_yaml(10),
        founding_yaml(9, instead={"name: 第9单位": "    name: 另一单位"}),
        founding_yaml(9, instead={"username: unit9": "      username: somebody"}),
    ],
)
def test_a_second_different_founding_is_refused(
    membership: Assembly, found: Found, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    found(founding_yaml(9), *CHARTER, *DEMO)
    before = events(membership)

    assert found(other, *CHARTER, *DEMO) == 1
    assert "is not the one in this file" in capsys.readouterr().err
    assert events(membership) == before


def test_without_demo_password_everybody_gets_a_code_in_a_file_for_its_owner_alone(
    membership: Assembly, found: Found, tmp_path: Path
) -> None:
    invitations = tmp_path / "invitations.csv"

    status = found(founding_yaml(9), *CHARTER, "--invitations", str(invitations))

    assert status == 0
    assert stat.S_IMODE(invitations.stat().st_mode) == 0o600
    with invitations.open(encoding="utf-8-sig", newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert len(lines) == 9 + 1 + 4
    assert len({line["invitation_code"] for line in lines}) == 14
    stored = str(rows(membership, tables.accounts))
    assert not any(line["invitation_code"] in stored for line in lines)
    assert {row["state"] for row in rows(membership, tables.accounts)} == {"invited"}


def test_a_code_from_the_file_opens_its_account(
    membership: Assembly, found: Found, tmp_path: Path, client: Callable[[Assembly], Any]
) -> None:
    invitations = tmp_path / "invitations.csv"
    found(founding_yaml(9), *CHARTER, "--invitations", str(invitations))
    with invitations.open(encoding="utf-8-sig", newline="") as handle:
        line = next(each for each in csv.DictReader(handle) if each["username"] == "unit3")
    http = client(membership)

    activation = {"username": "unit3", "invitation_code": line["invitation_code"], "password": PASSWORD}
    activated = http.post("/accounts/activation", json=activation)
    signed_in = http.post("/sessions", json={"username": "unit3", "password": PASSWORD})

    assert (activated.status_code, signed_in.status_code) == (200, 200)


def test_an_existing_file_of_codes_is_never_overwritten_and_nothing_is_founded(
    membership: Assembly, found: Found, tmp_path: Path
) -> None:
    invitations = tmp_path / "invitations.csv"
    invitations.write_text("the codes of another alliance")

    assert found(founding_yaml(9), *CHARTER, "--invitations", str(invitations)) == 1
    assert invitations.read_text() == "the codes of another alliance"
    assert nothing_is_stored(membership)


def test_codes_that_cannot_be_written_leave_nothing_behind(membership: Assembly, found: Found, tmp_path: Path) -> None:
    assert found(founding_yaml(9), *CHARTER, "--invitations", str(tmp_path / "no such folder" / "codes.csv")) == 1
    assert nothing_is_stored(membership)


def test_without_password_and_without_a_file_for_codes_nothing_is_founded(membership: Assembly, found: Found) -> None:
    assert found(founding_yaml(9), *CHARTER) == 1
    assert nothing_is_stored(membership)


def test_production_takes_no_demo_password(make_assembly: MakeAssembly, tmp_path: Path) -> None:
    membership = make_assembly("membership", profile="production", webhooks_allow_private=False)
    file = tmp_path / "founding.yaml"
    file.write_text(founding_yaml(9), "utf-8")

    assert membership.service.console_commands["found"](membership, [str(file), *CHARTER, *DEMO]) == 1
    assert nothing_is_stored(membership)


def test_everybody_can_sign_in_with_the_demo_password(
    membership: Assembly, found: Found, client: Callable[[Assembly], Any]
) -> None:
    found(founding_yaml(9), *CHARTER, *DEMO)
    http = client(membership)

    for username in ("secretary", "treasurer", "unit1", "unit9"):
        answer = http.post("/sessions", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.json


def test_an_odd_credit_code_is_a_warning_and_does_not_stop_the_founding(
    membership: Assembly, found: Found, capsys: pytest.CaptureFixture[str]
) -> None:
    text = founding_yaml(9, instead={"name: 第3单位": "    name: 第3单位\n    credit_code: 91350211M0000XUF46"})

    assert found(text, *CHARTER, *DEMO) == 0
    assert "units[3].credit_code" in capsys.readouterr().out
    codes = [row["credit_code"] for row in rows(membership, tables.members)]
    assert codes.count("91350211M0000XUF46") == 1


@pytest.mark.parametrize("charter", ["", "[alliance]\n", "not toml", "\x00"])
def test_a_charter_file_that_is_none_refuses_the_founding(
    membership: Assembly, found: Found, tmp_path: Path, charter: str
) -> None:
    file = tmp_path / "charter.toml"
    file.write_text(charter)

    assert found(founding_yaml(9), "--charter", str(file), *DEMO) == 1
    assert nothing_is_stored(membership)


@pytest.mark.parametrize(
    ("charter", "told"),
    [
        ("[alliance]\nname =\n", "第 2 行写法有误"),
        ("[alliance]\n", "缺少“member_kinds”"),
        ("alliance = 1\nmember_kinds = 1\nseats = 1\n", "不是章程文件"),
        (None, "无法读取"),
    ],
)
def test_what_is_wrong_with_a_charter_file_is_told_in_the_callers_language(
    found: Found, tmp_path: Path, capsys: pytest.CaptureFixture[str], charter: str | None, told: str
) -> None:
    file = tmp_path / "charter.toml"
    if charter is not None:
        file.write_text(charter)

    assert found(founding_yaml(9), "--charter", str(file), *DEMO, language="zh-CN") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"章程文件 {file} ")
    assert told in said


def test_a_demo_password_and_a_file_for_codes_exclude_each_other(
    membership: Assembly, found: Found, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invitations = tmp_path / "invitations.csv"

    assert found(founding_yaml(9), *CHARTER, *DEMO, "--invitations", str(invitations)) == 1
    assert "either --demo-password or --invitations" in capsys.readouterr().err
    assert not invitations.exists()
    assert nothing_is_stored(membership)


def test_a_file_that_does_not_exist_is_refused(membership: Assembly, capsys: pytest.CaptureFixture[str]) -> None:
    assert membership.service.console_commands["found"](membership, ["/no/such/file.yaml", *DEMO]) == 1
    assert "/no/such/file.yaml" in capsys.readouterr().err
