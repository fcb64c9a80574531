"""One home each for commit, the clock, ids and randomness, the environment, dialects, and the services' names.

Must not judge style: only where a thing may be said at all.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT, NothingToCheckError, dotted, imports, parsed, write_tree

#: What may be used in its home only: home, then names as they are written in code.
CALLS = {
    "shared/runtime/clock.py": (
        "datetime.now", "datetime.utcnow", "datetime.today", "datetime.datetime.now", "datetime.datetime.utcnow",
        "date.today", "datetime.date.today", "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns",
        "time.perf_counter", "time.perf_counter_ns", "func.now", "sa.func.now", "func.current_timestamp",
        "sa.func.current_timestamp",
    ),
    "shared/runtime/identifiers.py": ("os.urandom",),
}  # fmt: skip
MODULES = {"shared/runtime/identifiers.py": ("uuid", "random", "secrets")}
#: metrics.py asks for the one variable that belongs to prometheus_client itself.
ENVIRONMENT_HOMES = ("shared/runtime/settings.py", "shared/runtime/metrics.py")
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv", "os.putenv")
COMMIT_HOME = "shared/persistence/unit_of_work.py"
DIALECT_HOME = "shared/persistence/"


def faults_of_commit(root: Path) -> list[str]:
    """Calls of a method `commit` outside the unit of work."""
    return [
        f"{name}:{node.lineno}: commit() has its home in {COMMIT_HOME}"
        for name, module in parsed(root, *PRODUCT)
        if name != COMMIT_HOME
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".commit")
    ]


def faults_of_clock_and_chance(root: Path) -> list[str]:
    """The time of day, and chance, anywhere but where a test can take their place."""
    faults = []
    for name, module in parsed(root, *PRODUCT):
        for home, names in CALLS.items():
            if name != home:
                faults += [
                    f"{name}:{node.lineno}: {dotted(node)} has its home in {home}"
                    for node in ast.walk(module)
                    if isinstance(node, ast.Attribute) and dotted(node) in names
                ]
        for home, names in MODULES.items():
            if name != home:
                faults += [
                    f"{name}:{line}: {imported.partition('.')[0]} has its home in {home}"
                    for line, imported in imports(module)
                    if imported.partition(".")[0] in names
                ]
    return faults


def faults_of_environment(root: Path) -> list[str]:
    """The environment read elsewhere than in the settings, by attribute or by import."""
    faults = []
    for name, module in parsed(root, *PRODUCT):
        if name in ENVIRONMENT_HOMES:
            continue
        lines = [node.lineno for node in ast.walk(module) if isinstance(node, ast.expr) and dotted(node) in ENVIRONMENT]
        lines += [line for line, imported in imports(module) if imported in ENVIRONMENT]
        faults += [f"{name}:{line}: the environment has its home in {ENVIRONMENT_HOMES[0]}" for line in lines]
    return faults


def faults_of_dialects(root: Path) -> list[str]:
    """A database's own dialect, or its driver, named outside shared/persistence."""
    return [
        f"{name}:{line}: {imported}: only {DIALECT_HOME} knows dialects"
        for name, module in parsed(root, *PRODUCT)
        if not name.startswith(DIALECT_HOME)
        for line, imported in imports(module)
        if imported.startswith(("sqlalchemy.dialects", "psycopg", "sqlite3"))
    ]


def faults_of_outsiders(root: Path) -> list[str]:
    """A service seen from outside through another door than its manifest, or by anybody but the embedded mode."""
    faults = []
    for name, module in parsed(root, "shared", "deploy"):
        for line, imported in imports(module):
            parts = imported.split(".")
            if parts[0] != "services":
                continue
            if not name.startswith("deploy/embedded/"):
                faults.append(f"{name}:{line}: only deploy/embedded imports services")
            elif parts[2:3] != ["service"]:
                faults.append(f"{name}:{line}: {imported}: outsiders import services.<name>.service only")
    return faults


RULES = (faults_of_commit, faults_of_clock_and_chance, faults_of_environment, faults_of_dialects, faults_of_outsiders)


@pytest.mark.parametrize("rule", RULES)
def test_everything_is_at_home(rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(
    ("rule", "file", "code"),
    [
        (faults_of_commit, "services/x/commands.py", "def admit(work):\n    work.session.commit()\n"),
        (faults_of_commit, "shared/messaging/relay.py", "def run(make):\n    make().commit()\n"),
        (faults_of_clock_and_chance, "services/x/timers.py", "import datetime\nNOW = datetime.datetime.now()\n"),
        (faults_of_clock_and_chance, "shared/a.py", "from datetime import datetime\nf = datetime.now\n"),
        (faults_of_clock_and_chance, "shared/a.py", "import time\nt = time.monotonic()\n"),
        (faults_of_clock_and_chance, "shared/a.py", "import sqlalchemy as sa\nt = sa.func.now()\n"),
        (faults_of_clock_and_chance, "services/x/domain.py", "def f():\n    from uuid import uuid4\n"),
        (faults_of_clock_and_chance, "services/x/domain.py", "import secrets\n"),
        (faults_of_clock_and_chance, "shared/a.py", "import os\nx = os.urandom(4)\n"),
        (faults_of_environment, "services/x/service.py", "import os\nX = os.environ['A']\n"),
        (faults_of_environment, "deploy/a.py", "from os import environ\n"),
        (faults_of_environment, "shared/runtime/clock.py", "import os\nX = os.getenv('A')\n"),
        (faults_of_dialects, "services/x/tables.py", "from sqlalchemy.dialects.postgresql import JSONB\n"),
        (faults_of_dialects, "services/x/queries.py", "import psycopg\n"),
        (faults_of_outsiders, "shared/runtime/service.py", "import services.membership.service\n"),
        (faults_of_outsiders, "deploy/documents.py", "from services.finance.service import SERVICE\n"),
        (faults_of_outsiders, "deploy/embedded/story.py", "from services.finance.commands import open_account\n"),
    ],
)
def test_a_thing_away_from_home_is_found(tmp_path: Path, rule, file: str, code: str) -> None:
    # given a tree with one trespass
    write_tree(tmp_path, {file: code})

    # when the rule looks
    faults = rule(tmp_path)

    # then it names the file, once
    assert len(faults) >= 1
    assert faults[0].startswith(f"{file}:")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_finds_no_file_fails(tmp_path: Path, rule) -> None:
    with pytest.raises(NothingToCheckError):
        rule(tmp_path)


def test_the_homes_exist() -> None:
    for home in (*CALLS, *MODULES, *ENVIRONMENT_HOMES, COMMIT_HOME):
        assert (ROOT / home).is_file(), f"{home} has moved: the rules above guard an empty house"
