"""Names that promise: events are facts, reactions say on_, get_ never comes back with nothing, decide_ is pure.

Must not ask for taste; only what can be read off the code.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SERVICES, NothingToCheckError, parsed, write_tree

#: Participles of the trade that do not end in -ed. A new one is added here, on purpose.
IRREGULAR = ("withdrawn", "struck", "paid", "sent", "held", "met", "given", "drawn", "cast", "left", "set")
EVENT_TYPE = re.compile(rf"^(?P<service>[a-z]+)\.[a-z_]+\.([a-z_]+ed|{'|'.join(IRREGULAR)})$")
#: A name that says nothing: it fits everything.
EMPTY_WORDS = ("manager", "helper", "helpers", "utils", "util", "misc", "common")


def faults_of_event_types(service: str, types: list[str]) -> list[str]:
    """Event types that are not `<service>.<noun>.<past participle>`."""
    if not types:
        raise NothingToCheckError(f"{service} publishes nothing")
    faults = []
    for each in types:
        match = EVENT_TYPE.match(each)
        if match is None:
            faults.append(f"{each}: not <service>.<noun>.<past participle>")
        elif match["service"] != service:
            faults.append(f"{each}: {service} speaks for itself only")
    return faults


def may_be_nothing(annotation: ast.expr | None) -> bool:
    """Whether a return annotation allows None beside something else."""
    if annotation is None:
        return False
    parts = [node for node in ast.walk(annotation) if isinstance(node, ast.BinOp)]
    return any(
        isinstance(side, ast.Constant) and side.value is None for part in parts for side in (part.left, part.right)
    )


def faults_of_verbs(root: Path) -> list[str]:
    """Functions whose name promises what their signature or place does not keep."""
    faults = []
    for name, module in parsed(root, "services", "shared"):
        for node in ast.walk(module):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            where = f"{name}:{node.lineno}: {node.name}"
            if node.name.startswith("get_") and may_be_nothing(node.returns):
                faults.append(f"{where}: get_ raises where there is nothing; find_ may return None")
            in_domain = "/domain" in name or name.startswith("shared/")
            if node.name.startswith("decide_") and not in_domain:
                faults.append(f"{where}: decide_ is pure and lives in domain")
            if node.name.startswith("on_") and name.startswith("services/") and "/reactions" not in name:
                faults.append(f"{where}: on_ reacts, and lives in reactions")
    return faults


def faults_of_empty_words(root: Path) -> list[str]:
    """Modules and classes whose name fits everything."""
    faults = []
    for name, module in parsed(root, "services", "shared", "deploy", "tests"):
        words = Path(name).stem.lower().split("_")
        faults += [f"{name}: '{word}' says nothing" for word in words if word in EMPTY_WORDS]
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and re.search(r"(Manager|Helper|Utils?)$", node.name):
                faults.append(f"{name}:{node.lineno}: class {node.name} says nothing")
    return faults


@pytest.mark.parametrize("service", SERVICES)
def test_events_are_facts_of_their_own_service(service: str) -> None:
    events = importlib.import_module(f"services.{service}.events")

    assert faults_of_event_types(service, list(events.PUBLISHES)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_consumed_event_has_one_reaction_and_its_name_says_so(service: str) -> None:
    manifest = importlib.import_module(f"services.{service}.service").SERVICE

    assert set(manifest.consumes) == set(manifest.reactions)
    for event_type, reaction in manifest.reactions.items():
        told = reaction.__name__
        shared_technique = reaction.__module__.startswith("shared.")
        assert told.startswith("on_") or shared_technique, f"{event_type} is answered by {told}, which is no reaction"


@pytest.mark.parametrize("service", SERVICES)
def test_every_consumed_event_is_published_by_somebody(service: str) -> None:
    published = {
        event_type
        for publisher in SERVICES
        for event_type in importlib.import_module(f"services.{publisher}.events").PUBLISHES
    }
    consumes = importlib.import_module(f"services.{service}.events").CONSUMES

    assert consumes, f"{service} hears nothing"
    assert set(consumes) - {"#"} <= published


@pytest.mark.parametrize("rule", [faults_of_verbs, faults_of_empty_words])
def test_names_keep_their_promise(rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(
    "event_type",
    [
        "membership.admit_member",
        "membership.member.admit",
        "finance.member.admitted",
        "membership.member",
        "Member.admitted",
    ],
)
def test_an_order_or_a_foreign_event_is_no_fact(event_type: str) -> None:
    assert faults_of_event_types("membership", [event_type])


def test_a_fact_is_a_fact() -> None:
    assert (
        faults_of_event_types("membership", ["membership.signing_key.published", "membership.application.withdrawn"])
        == []
    )


@pytest.mark.parametrize(
    ("rule", "file", "code"),
    [
        (faults_of_verbs, "services/x/queries.py", "def get_member(r) -> Member | None: ...\n"),
        (faults_of_verbs, "services/x/commands.py", "def decide_outcome(): ...\n"),
        (faults_of_verbs, "services/x/commands.py", "def on_member_admitted(): ...\n"),
        (faults_of_empty_words, "shared/web/utils.py", "x = 1\n"),
        (faults_of_empty_words, "shared/web/a.py", "class SessionManager: ...\n"),
    ],
)
def test_a_broken_promise_is_found(tmp_path: Path, rule, file: str, code: str) -> None:
    assert rule(write_tree(tmp_path, {file: code}))


@pytest.mark.parametrize("rule", [faults_of_verbs, faults_of_empty_words])
def test_a_rule_that_finds_no_file_fails(tmp_path: Path, rule) -> None:
    with pytest.raises(NothingToCheckError):
        rule(tmp_path)
