"""The shape of the house: the same rooms in every service, files and functions of a readable size, words at each door.

Must not judge what is inside a room; the import contracts do that (test_imports.py).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.tree import (
    CONSOLE,
    PRODUCT,
    ROOT,
    SERVICES,
    NothingToCheckError,
    dotted,
    modules,
    parsed,
    write_tree,
)

#: A layer is a file until it is too long, then a folder.
LAYERS = ("domain", "commands", "queries", "api", "schemas", "reactions", "timers", "tables", "events", "service")
ALWAYS_FILES = ("service",)
OTHER_ROOMS = ("README.md", "__init__.py", "migrations", "templates", "texts", "__pycache__")
LANGUAGES = ("zh-CN.toml", "en.toml")
LINES_PER_FILE_MAX = 400
LINES_PER_FUNCTION_MAX = 60
FOLDER_DEPTH_MAX = 4
#: Shorter than this is a label, not a statement of what a module is for.
DOCSTRING_LENGTH_MIN = 20
EVERYTHING = (*PRODUCT, "tests")


def faults_of_rooms(root: Path, services: tuple[str, ...] = SERVICES) -> list[str]:
    """What a service lacks, and what it has beyond the rooms all services have."""
    faults = []
    for service in services:
        house = root / "services" / service
        for layer in LAYERS:
            as_file, as_folder = (house / f"{layer}.py").is_file(), (house / layer / "__init__.py").is_file()
            if as_file == as_folder:
                faults.append(f"services/{service}: {layer} must be there once, as a file or as a package")
            if as_folder and layer in ALWAYS_FILES:
                faults.append(f"services/{service}: {layer} is one screen: a file, never a folder")
        required = ["README.md", "__init__.py", *(f"texts/{each}" for each in LANGUAGES), "migrations/versions"]
        faults += [f"services/{service}: {room} is missing" for room in required if not (house / room).exists()]
        known = {*LAYERS, *(f"{layer}.py" for layer in LAYERS), *OTHER_ROOMS}
        found = house.iterdir() if house.is_dir() else ()
        faults += [
            f"services/{service}: {each.name} is no room of a service" for each in found if each.name not in known
        ]
        if not list((house / "migrations" / "versions").glob("[0-9]*.py")):
            faults.append(f"services/{service}: no migration")
    return faults


def faults_of_docstrings(root: Path) -> list[str]:
    """Modules that do not open with what they are for."""
    return [
        f"{name}:1: must open with what it is for and what it must not do"
        for name, module in parsed(root, *EVERYTHING)
        if len(ast.get_docstring(module) or "") < DOCSTRING_LENGTH_MIN
    ]


def faults_of_size(root: Path) -> list[str]:
    """Files and functions over the caps, and folders too deep."""
    faults = []
    for path in modules(root, *EVERYTHING):
        name, text = path.relative_to(root).as_posix(), path.read_text("utf-8")
        lines = len(text.splitlines())
        if lines > LINES_PER_FILE_MAX:
            faults.append(f"{name}: {lines} lines, at most {LINES_PER_FILE_MAX}")
        if len(path.relative_to(root).parts) - 1 > FOLDER_DEPTH_MAX:
            faults.append(f"{name}: deeper than {FOLDER_DEPTH_MAX} folders")
        for node in ast.walk(ast.parse(text, name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                # A migration is a list of tables: splitting upgrade() would hide the order in which they are made.
                if length > LINES_PER_FUNCTION_MAX and "/migrations/versions/" not in name:
                    faults.append(
                        f"{name}:{node.lineno}: {node.name} has {length} lines, at most {LINES_PER_FUNCTION_MAX}"
                    )
    return faults


def faults_of_tests(root: Path) -> list[str]:
    """Tests that wait by the clock, or swap our own code by its name."""
    faults = []
    for name, module in parsed(root, "tests"):
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                sleeps = any(alias.name == "sleep" for alias in node.names)
                faults += [f"{name}:{node.lineno}: wait for a condition, not for the clock"] if sleeps else []
            if not isinstance(node, ast.Call):
                continue
            called = dotted(node.func)
            if called == "time.sleep":
                faults.append(f"{name}:{node.lineno}: wait for a condition, not for the clock")
            first = node.args[0] if node.args else None
            ours = isinstance(first, ast.Constant) and str(first.value).startswith(("services.", "shared."))
            if ours and called.rpartition(".")[2] in ("patch", "setattr", "dict"):
                faults.append(f"{name}:{node.lineno}: a fake takes the place of our code, not a patch")
    return faults


def faults_of_readmes(root: Path, services: tuple[str, ...] = SERVICES) -> list[str]:
    """A service's page must say what it owns, what not, what it promises, its API and its events."""
    faults = []
    for service in services:
        page = root / "services" / service / "README.md"
        headings = re.findall(r"^#+ +(.+)$", page.read_text("utf-8") if page.is_file() else "", re.MULTILINE)
        if not headings:
            raise NothingToCheckError(f"{page} has no headings")
        said = " | ".join(headings).lower()
        faults += [
            f"services/{service}/README.md: no heading says '{word}'"
            for word in ("owns", "not own", "promise", "api", "events")
            if word not in said
        ]
    return faults


RULES = (faults_of_rooms, faults_of_docstrings, faults_of_size, faults_of_tests, faults_of_readmes)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_has_its_shape(rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(
    ("rule", "file", "code"),
    [
        (faults_of_docstrings, "services/x/domain.py", "import fractions\n"),
        (faults_of_docstrings, "shared/__init__.py", ""),
        (faults_of_docstrings, "tests/test_a.py", '"""Short."""\n'),
        (faults_of_size, "shared/long.py", "x = 1\n" * 401),
        (faults_of_size, "shared/long.py", "def f():\n" + "    x = 1\n" * 60),
        (faults_of_size, "services/a/b/c/d/e.py", "x = 1\n"),
        (faults_of_tests, "tests/test_a.py", "import time\ndef test_a():\n    time.sleep(1)\n"),
        (faults_of_tests, "tests/test_a.py", "from time import sleep\n"),
        (faults_of_tests, "tests/test_a.py", "def test_a(m):\n    m.patch('services.finance.commands.open')\n"),
        (faults_of_tests, "tests/test_a.py", "def test_a(monkeypatch):\n    monkeypatch.setattr('shared.x', 1)\n"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, rule, file: str, code: str) -> None:
    write_tree(tmp_path, {file: code})

    faults = rule(tmp_path)

    assert faults
    assert faults[0].startswith(file)


def test_a_service_without_a_room_or_with_one_too_many_is_found(tmp_path: Path) -> None:
    # given a service that has every room
    rooms = {f"services/x/{layer}.py": '"""A layer."""\n' for layer in LAYERS}
    rooms |= {
        "services/x/README.md": "# x",
        "services/x/__init__.py": "",
        "services/x/migrations/versions/0001_a.py": "",
    }
    rooms |= {f"services/x/texts/{each}": "" for each in LANGUAGES}
    write_tree(tmp_path, rooms)
    assert faults_of_rooms(tmp_path, ("x",)) == []

    # when one goes and another is added
    (tmp_path / "services/x/timers.py").unlink()
    (tmp_path / "services/x/utils.py").touch()

    # then both are named
    faults = faults_of_rooms(tmp_path, ("x",))
    assert faults == [
        "services/x: timers must be there once, as a file or as a package",
        "services/x: utils.py is no room of a service",
    ]


def test_a_page_that_leaves_out_what_a_service_promises_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path, {"services/x/README.md": "# x\n## Owns\n## Does not own\n## API\n## Events\n"})

    assert faults_of_readmes(tmp_path, ("x",)) == ["services/x/README.md: no heading says 'promise'"]


@pytest.mark.parametrize("rule", [faults_of_docstrings, faults_of_size, faults_of_tests, faults_of_readmes])
def test_a_rule_that_finds_no_file_fails(tmp_path: Path, rule) -> None:
    with pytest.raises(NothingToCheckError):
        rule(tmp_path)


def test_every_folder_of_services_is_a_service_under_test() -> None:
    folders = {path.name for path in (ROOT / "services").iterdir() if path.is_dir() and not path.name.startswith("_")}

    assert folders == {*SERVICES, CONSOLE}


def test_the_console_has_its_rooms_and_no_others() -> None:
    house = ROOT / "services" / CONSOLE

    assert {each.name for each in house.iterdir() if each.name != "__pycache__"} == {
        "README.md", "__init__.py", "service.py", "application.py", "pages", "templates", "static", "texts",
        "articles.py", "rulebook.py", "spans.py", "showing.py", "browser.py", "apis.py", "commands", "wording.py",
        "sealing.py", "tables.py", "migrations",
    }  # fmt: skip


def test_every_subject_of_the_console_has_its_texts_in_both_languages() -> None:
    folders = [each for each in (ROOT / "services" / CONSOLE / "texts").iterdir() if each.is_dir()]

    assert folders
    assert all({each.name for each in folder.iterdir()} == set(LANGUAGES) for folder in folders)
