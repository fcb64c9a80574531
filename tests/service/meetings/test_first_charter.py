"""The first charter over HTTP: whoever holds the setup code may check one and put it in force, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from services.meetings import tables
from shared.runtime.assembly import Assembly
from tests.fixtures.assemblies import Client, MakeAssembly
from tests.service.meetings.driver import CHARTER

CODE = "a-setup-code-for-tests"
TEXT = CHARTER.read_text("utf-8")


class Setup:
    """Somebody at the door with a code."""

    def __init__(self, assembly: Assembly, web: Client) -> None:
        self.assembly = assembly
        self.web = web

    def post(self, path: str, text: Any = TEXT, code: str | None = CODE) -> Any:
        headers = {} if code is None else {"Setup-Code": code}
        return self.web.post(f"/charter{path}", headers=headers, json={"charter": text})

    def versions(self) -> int:
        with self.assembly.reading() as reading:
            count: int = reading.scalar(sa.select(sa.func.count()).select_from(tables.charters))
        return count


@pytest.fixture
def setup(make_assembly: MakeAssembly, client: Callable[[Assembly], Client]) -> Setup:
    assembly = make_assembly("meetings", setup_code=CODE)
    return Setup(assembly, client(assembly))


def test_the_first_charter_is_put_in_force_and_read_back(setup: Setup) -> None:
    answer = setup.post("")

    assert answer.status_code == 200, answer.text
    assert answer.get_json() == setup.web.get("/charter").get_json()
    assert answer.get_json()["version"] == 1


def test_the_same_again_changes_nothing_and_another_is_refused(setup: Setup) -> None:
    setup.post("")

    assert setup.post("").status_code == 200
    other = setup.post("", TEXT.replace('number_prefix = "ZZ"', 'number_prefix = "ZQ"'))

    assert (other.status_code, other.get_json()["code"]) == (409, "charter.already_adopted")
    assert setup.versions() == 1


def test_a_check_tells_every_fault_with_its_line_and_stores_nothing(setup: Setup) -> None:
    lines = TEXT.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("number_prefix"))
    county = next(number for number, line in enumerate(lines) if 'code = "lusong"' in line)
    lines[at], lines[county] = "number_prefix = 7", 'code = "LUSONG!"'

    told = setup.post("/check", "\n".join(lines)).get_json()

    assert told["sound"] is False
    found = {each["field"]: each["line"] for each in told["faults"]}
    assert found["alliance.number_prefix"] == at + 1
    assert found["counties[1].code"] == county + 1
    assert all(each["message"] for each in told["faults"])
    assert setup.versions() == 0


def test_a_sound_charter_is_told_as_data_and_not_stored(setup: Setup) -> None:
    told = setup.post("/check", "\ufeff" + TEXT.replace("\n", "\r\n")).get_json()

    assert (told["sound"], told["faults"]) == (True, [])
    assert told["charter"]["alliance"]["number_prefix"] == "ZZ"
    assert setup.versions() == 0


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = = 2\n", 2), ("a = [\n1,\n", 3), ("[" * 5_000, 1), ("\x01", 1), ("汉字 = 1", 1)]
)
def test_what_is_no_toml_is_told_by_line(setup: Setup, text: str, line: int) -> None:
    (fault,) = setup.post("/check", text).get_json()["faults"]

    assert (fault["code"], fault["line"]) == ("charter.not_toml", line)
    assert setup.post("", text).status_code == 422


@pytest.mark.parametrize("code", [None, "", "wrong", CODE + "x", CODE[:-1], CODE.upper()])
def test_nobody_without_the_code_gets_in(setup: Setup, code: str | None) -> None:
    for path in ("", "/check"):
        answer = setup.post(path, code=code)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "setup.code_wrong")
    assert setup.versions() == 0


def test_where_no_code_is_set_the_door_is_shut(
    make_assembly: MakeAssembly, client: Callable[[Assembly], Client]
) -> None:
    assembly = make_assembly("meetings")
    shut = Setup(assembly, client(assembly))

    for code in (None, "", CODE):
        answer = shut.post("", code=code)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "setup.off")
    assert shut.versions() == 0


@pytest.mark.parametrize("body", [{}, {"charter": ""}, {"charter": 7}, {"charter": "x" * 300_001}, {"carter": TEXT}])
def test_a_bad_body_is_refused_naming_the_field(setup: Setup, body: dict[str, Any]) -> None:
    answer = setup.web.post("/charter/check", headers={"Setup-Code": CODE}, json=body)

    assert answer.status_code == 422
    assert answer.get_json()["errors"]
