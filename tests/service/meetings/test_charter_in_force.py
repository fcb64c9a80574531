"""The charter: adopted from the console, kept in versions, published, readable by anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.meetings import tables
from services.meetings.api.charter_command import run_adopt_charter
from tests.service.meetings.driver import CHARTER, Meetings, zhuzhou


def test_the_shipped_charter_is_adopted_published_and_readable_without_signing_in(bare: Meetings) -> None:
    # given no charter, when one is asked for
    assert bare.app.test_client().get("/api/meetings/v1/charter").status_code == 404

    # when the shipped one is adopted
    assert run_adopt_charter(bare.assembly, [str(CHARTER)]) == 0

    # then it is published with its parameters
    (adopted,) = bare.told("meetings.charter.adopted")
    data = adopted["data"]
    assert adopted["article"] == "20"
    assert data["version"] == 1
    assert data["alliance"]["number_prefix"] == "ZZ"
    assert len(data["member_kinds"]) == 6
    assert len(data["counties"]) == 12
    assert [each["article"] for each in data["funding_sources"]] == [f"18({number})" for number in range(1, 7)]
    assert [each["article"] for each in data["purposes"]] == [f"5({number})" for number in range(1, 7)]
    assert data["rules"]["dissolution"]["base"] == "all_members"
    assert "rules.admission_vote.base" in data["silent"]

    # and anybody can read it
    view = bare.app.test_client().get("/api/meetings/v1/charter").get_json()
    assert view["version"] == 1
    assert view["rules"]["admission_vote"]["denominator"] == 2
    assert "elections.committee.ties" in view["silent"]


def test_the_same_charter_again_changes_nothing_and_another_makes_a_version(bare: Meetings) -> None:
    for _ in range(3):
        bare.adopt()
    assert len(bare.told("meetings.charter.adopted")) == 1

    bare.adopt(voting_days=21)

    assert [each["data"]["version"] for each in bare.told("meetings.charter.adopted")] == [1, 2]
    assert bare.app.test_client().get("/api/meetings/v1/charter").get_json()["version"] == 2


def test_every_version_stays_readable_with_the_days_it_was_in_force(bare: Meetings) -> None:
    anybody = bare.app.test_client()
    assert anybody.get("/api/meetings/v1/charter/versions").get_json() == {"items": []}
    bare.adopt()
    bare.pass_days(3)
    bare.adopt(voting_days=21)

    second, first = anybody.get("/api/meetings/v1/charter/versions").get_json()["items"]

    assert (first["version"], second["version"]) == (1, 2)
    assert first["effective_to"] == second["effective_from"]
    assert first["effective_from"] < first["effective_to"]
    assert second["effective_to"] is None
    old, new = (anybody.get(f"/api/meetings/v1/charter/versions/{number}").get_json() for number in (1, 2))
    assert (old["version"], new["version"]) == (1, 2)
    assert old["rules"] != new["rules"]
    assert new == anybody.get("/api/meetings/v1/charter").get_json()


@pytest.mark.parametrize("version", ["0", "2", "999999", "1000001", "x", "-1", "1.0"])
def test_a_version_that_never_was_is_not_found(bare: Meetings, version: str) -> None:
    bare.adopt()

    assert bare.app.test_client().get(f"/api/meetings/v1/charter/versions/{version}").status_code == 404


@pytest.mark.parametrize(
    ("spoil", "paths"),
    [
        ('[rules.admission_vote]\nbody = "general_meeting"', ["alliance", "rules.admission_vote.numerator"]),
        (CHARTER.read_text("utf-8").replace("denominator = 3", "denominator = 1"), ["rules.dissolution.numerator"]),
        (CHARTER.read_text("utf-8") + "\n[extra]\nx = 1\n", ["extra"]),
    ],
)
def test_a_malformed_charter_is_refused_whole_with_every_fault_named(
    bare: Meetings, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: str, paths: list[str]
) -> None:
    file = tmp_path / "charter.toml"
    file.write_text(spoil, "utf-8")

    status = run_adopt_charter(bare.assembly, [str(file), "--language", "en"])

    said = capsys.readouterr().err
    assert status == 1
    for path in paths:
        assert f"{file}: {path}: " in said
    assert "Nothing was stored." in said
    assert bare.count(tables.charters) == 0
    assert bare.told("meetings.charter.adopted") == []


@pytest.mark.parametrize("raw", [b"= broken", b"\xff\xfe", b"x = 1\n" * 200_000, None])
def test_a_file_that_is_no_charter_is_refused(
    bare: Meetings, tmp_path: Path, capsys: pytest.CaptureFixture[str], raw: bytes | None
) -> None:
    file = tmp_path / "charter.toml"
    if raw is not None:
        file.write_bytes(raw)

    assert run_adopt_charter(bare.assembly, [str(file), "--language", "en"]) == 1

    assert "cannot be read" in capsys.readouterr().err
    assert bare.count(tables.charters) == 0


def test_adopting_reports_what_it_did(bare: Meetings, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run_adopt_charter(bare.assembly, [str(CHARTER), "--language", "en"]) == 0

    said = capsys.readouterr().out
    assert "Charter version 1 is in force." in said
    assert "in force already, as version 1" in said


def test_the_test_data_is_the_shipped_charter() -> None:
    assert zhuzhou()["alliance"]["code"] == "zhuzhou"
