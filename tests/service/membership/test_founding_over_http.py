"""Founding over HTTP: by whoever holds the setup code, once; checked by line, told with everybody's invitation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.membership import tables
from shared.messaging.outbox import outbox
from shared.runtime.assembly import Assembly
from shared.runtime.settings import Settings
from shared.security.rate_limits import RateLimits
from shared.web.app_factory import create_app
from tests.builders.founding import founding_yaml, line_of
from tests.fixtures.assemblies import Client, MakeAssembly

CODE = "a-setup-code-for-tests"
ROOT = Path(__file__).parents[3]
CHARTER = (ROOT / "deploy/charter/zhuzhou.toml").read_text("utf-8")
MakeClient = Callable[[Assembly], Client]


class Setup:
    """Somebody at the door with a code."""

    def __init__(self, assembly: Assembly, web: Client) -> None:
        self.assembly = assembly
        self.web = web

    def post(self, path: str, founding: Any, charter: Any = CHARTER, code: str | None = CODE, **headers: str) -> Any:
        body = {"founding": founding} | ({} if charter is None else {"charter": charter})
        sent = {**headers, **({} if code is None else {"Setup-Code": code})}
        return self.web.post(f"/founding{path}", headers=sent, json=body)

    def check(self, founding: str, charter: str | None = CHARTER, **headers: str) -> Any:
        answer = self.post("/check", founding, charter, **headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def nothing_is_stored(self) -> bool:
        kept = (tables.alliance, tables.members, tables.accounts, tables.offices, tables.signing_keys, outbox)
        with self.assembly.reading() as reading:
            return all(reading.first(sa.select(table)) is None for table in kept)


@pytest.fixture
def setup(make_assembly: MakeAssembly, client: MakeClient) -> Setup:
    assembly = make_assembly("membership", setup_code=CODE)
    return Setup(assembly, client(assembly))


# ------------------------------------------------------------ founding
def test_a_founding_makes_the_alliance_and_everybody_can_enter_with_the_code_of_the_answer(setup: Setup) -> None:
    assert setup.web.get("/founding").get_json() == {"founded": False, "over_http": True}

    answer = setup.post("", founding_yaml(9))

    assert answer.status_code == 201, answer.text
    told = answer.get_json()
    assert (told["name"], told["members"], told["accounts"]) == ("株洲市企业服务联盟", 9, 14)
    assert setup.web.get("/founding").get_json() == {"founded": True, "over_http": True}
    assert setup.web.get("/alliance").get_json()["members"] == 9
    (secretary,) = [each for each in told["invitations"] if each["username"] == "secretary"]
    activation = {"username": "secretary", "invitation_code": secretary["code"], "password": "a new password here"}
    assert setup.web.post("/accounts/activation", json=activation).status_code in (200, 201, 204)
    signed_in = {"username": "secretary", "password": "a new password here"}
    assert setup.web.post("/sessions", json=signed_in).status_code in (200, 201)


def test_invitation_codes_are_in_no_log_and_not_in_the_database(
    setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    told = setup.post("", founding_yaml(9)).get_json()

    said = capsys.readouterr()
    with setup.assembly.reading() as reading:
        stored = str([tuple(row) for table in (tables.accounts, outbox) for row in reading.all(sa.select(table))])
    for each in told["invitations"]:
        assert each["code"] not in said.out + said.err + stored
    assert CODE not in said.out + said.err


def test_an_answer_lost_on_its_way_comes_again_for_the_same_key_and_for_no_other(setup: Setup) -> None:
    first = setup.post("", founding_yaml(9), **{"Idempotency-Key": "founding-1"})

    again = setup.post("", founding_yaml(9), **{"Idempotency-Key": "founding-1"})
    assert again.get_json() == first.get_json()
    stranger = setup.post("", founding_yaml(9), code="another-code-that-is-long", **{"Idempotency-Key": "founding-1"})
    assert stranger.status_code == 403
    later = setup.post("", founding_yaml(9))
    assert (later.status_code, later.get_json()["code"]) == (409, "alliance.already_founded")


def test_once_founded_the_door_is_closed_for_checks_too(setup: Setup) -> None:
    setup.post("", founding_yaml(9))

    answer = setup.post("/check", founding_yaml(10))

    assert (answer.status_code, answer.get_json()["code"]) == (409, "alliance.already_founded")


def test_of_two_at_the_same_moment_one_founds(setup: Setup) -> None:
    answers: list[int] = []
    start = threading.Barrier(2)

    def knock() -> None:
        web = Client(setup.assembly)
        start.wait()
        answers.append(Setup(setup.assembly, web).post("", founding_yaml(9)).status_code)

    threads = [threading.Thread(target=knock) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [201, 409]


# ------------------------------------------------------------ faults
def test_a_check_tells_every_fault_of_both_files_by_line_and_stores_nothing(setup: Setup) -> None:
    text = founding_yaml(instead={"founded_on": "  founded_on: tomorrow", "number: 15": "  - number: 14"})

    told = setup.check(text, CHARTER.replace("term_years", "term_jahre"), **{"Accept-Language": "zh-CN"})

    assert (told["sound"], told["alliance"]) == (False, None)
    found = {each["field"]: (each["line"], each["message"]) for each in told["faults"]}
    assert found["alliance.founded_on"] == (
        line_of(text, "tomorrow"),
        "“tomorrow”不是日期；请写成 2026-01-08 的样子",
    )
    assert "units[15].number" in found
    assert told["charter_faults"][0]["message"] == "章程缺少“term_years”"
    assert setup.nothing_is_stored()


def test_a_founding_with_faults_is_refused_whole_naming_each(setup: Setup) -> None:
    text = founding_yaml(instead={"founded_on": "  founded_on: tomorrow"})

    answer = setup.post("", text, "a = = b")

    assert answer.status_code == 422
    assert {each["field"] for each in answer.get_json()["errors"]} >= {"charter", "founding.alliance.founded_on"}
    assert setup.nothing_is_stored()


def test_a_sound_founding_is_told_as_it_would_be_and_not_stored(setup: Setup) -> None:
    text = founding_yaml(9, instead={"county: tianyuan": "    county: tianyuan\n    credit_code: 91430200MA4L0DEM12"})

    told = setup.check(text)

    assert (told["sound"], told["faults"], told["charter_faults"]) == (True, [], [])
    assert told["catalogue_checked"] is True
    alliance = told["alliance"]
    assert (alliance["founded_on"], alliance["term_to"]) == ("2026-01-08", "2030-01-08")
    assert [unit["number"] for unit in alliance["units"]] == list(range(1, 10))
    assert alliance["units"][8]["representative"] == {"name": "代表9", "title": "主任", "username": "unit9"}
    assert [seat["office"] for seat in alliance["seats"]] == [
        "director",
        *["vice_director"] * 2,
        *["committee_member"] * 4,
    ]
    assert told["warnings"], "a credit code with a wrong check character is told, not refused"
    assert setup.nothing_is_stored()


def test_without_a_charter_the_catalogues_are_not_checked_and_that_is_told(setup: Setup) -> None:
    assert setup.check(founding_yaml(9), None)["catalogue_checked"] is False


@pytest.mark.parametrize("text", ["", "...", "\x01", "a: [", "&a b: *a", "- " * 50, "汉字：值", "format: 1\n..."])
def test_what_is_no_founding_file_is_told_in_words(setup: Setup, text: str) -> None:
    told = setup.check(text)

    assert told["sound"] is False
    assert all(each["message"] and each["line"] >= 1 for each in told["faults"])


# ------------------------------------------------------------ who may
@pytest.mark.parametrize("code", [None, "", "wrong", CODE + "x", CODE[:-1], CODE.upper()])
def test_nobody_without_the_code_gets_in(setup: Setup, code: str | None) -> None:
    for path in ("", "/check"):
        answer = setup.post(path, founding_yaml(9), code=code)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "setup.code_wrong")
    assert setup.nothing_is_stored()


def test_where_no_code_is_set_the_door_is_shut(make_assembly: MakeAssembly, client: MakeClient) -> None:
    assembly = make_assembly("membership")
    shut = Setup(assembly, client(assembly))

    assert shut.web.get("/founding").get_json() == {"founded": False, "over_http": False}
    for code in (None, "", CODE):
        answer = shut.post("", founding_yaml(9), code=code)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "setup.off")
    assert shut.nothing_is_stored()


def test_guessing_is_slowed_down(setup: Setup) -> None:
    limited = create_app(setup.assembly, limits=RateLimits(setup.assembly.clock)).test_client()
    body = {"founding": "", "charter": "x"}

    answers = [
        limited.post("/api/membership/v1/founding/check", headers={"Setup-Code": f"guess-{n}"}, json=body).status_code
        for n in range(70)
    ]

    assert answers[:60] == [403] * 60
    assert 429 in answers[60:]


def test_a_setup_code_that_could_be_guessed_is_no_setting() -> None:
    settings = Settings(service="membership", database_url="sqlite://", profile="test", setup_code="too-short")

    assert [fault for fault in settings.faults() if "SETUP_CODE" in fault and "too-short" not in fault]
