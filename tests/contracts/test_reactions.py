"""Every golden sample goes through each consumer that is bound to it: its inbox, its reaction, its database.

A sample that is parked here is an event that would be parked in every alliance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from shared.messaging.inbox import DONE, PARKED, inbox
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from tests.contracts.samples import SAMPLES, SERVICES, Sample, view_of
from tests.fixtures.assemblies import MakeAssembly
from tests.service.finance.driver import Finance
from tests.service.meetings.driver import Meetings
from tests.service.membership.driver import COMMITTEE, Membership

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
#: What to replace in samples so that they tell of things that are there: ids by the test's own.
Names = Mapping[str, str]
#: A second applicant's, in order.
OTHER_CODE = "91110000101623741K"


@pytest.fixture
def clock() -> ManualClock:
    """Later than every sample."""
    return ManualClock(datetime(2027, 1, 4, 1, 0, tzinfo=UTC))


def in_order(service: str) -> list[Sample]:
    """The samples that a service hears, as they happened."""
    [manifest] = [each for each in SERVICES if each.name == service]
    heard = [sample for sample in SAMPLES if view_of(manifest, sample.type)]
    assert heard
    return sorted(heard, key=lambda sample: (sample.envelope["time"], sample.envelope["sequence"]))


def data_of(event_type: str, variant: str = "") -> dict[str, Any]:
    """What the sample of a type says."""
    [sample] = [each for each in SAMPLES if each.name == f"{event_type}.v1{variant}.json"]
    return sample.data


def an_alliance_of_its_own(_assembly: Assembly, _clock: ManualClock) -> Names:
    """Nothing has to be there."""
    return {}


def a_charter_and_units_that_vote(assembly: Assembly, clock: ManualClock) -> Names:
    """Meetings has a charter in force and units that vote; one of them fills the samples' office."""
    meetings = Meetings(assembly, clock)
    meetings.adopt()
    meetings.admit("unit-1", "unit-2", "unit-3")
    meetings.seat("unit-2")
    office_id = meetings.seat("unit-3")
    clock.advance(1)
    return {
        data_of("membership.office.filled")["member_id"]: "unit-1",
        data_of("membership.member.left")["member_id"]: "unit-3",
        data_of("membership.office.vacated")["office_id"]: office_id,
    }


def a_member_with_an_account(assembly: Assembly, _clock: ManualClock) -> Names:
    """Finance knows the unit that leaves."""
    Finance(assembly).admit("unit-1")
    return {data_of("membership.member.left")["member_id"]: "unit-1"}


def applications_before_both_bodies(assembly: Assembly, clock: ManualClock) -> Names:
    """Membership has the applications that the samples' ballots are about: the committee's and the meeting's."""
    membership = Membership(assembly, clock)
    membership.found()
    [charter] = [sample for sample in SAMPLES if sample.type == "meetings.charter.adopted"]
    assembly.consumer().accept([charter.body])
    before_committee = membership.accepted()["application_id"]
    before_meeting = membership.accepted(credit_code=OTHER_CODE)["application_id"]
    membership.vote(before_meeting, COMMITTEE)
    return {
        data_of("meetings.ballot.opened")["matter"]["application_id"]: before_committee,
        data_of("meetings.ballot.closed", ".passed")["matter"]["application_id"]: before_meeting,
    }


Prepare = Callable[[Assembly, ManualClock], Names]
PREPARED: list[tuple[str, Prepare]] = [
    ("finance", a_member_with_an_account),
    ("meetings", a_charter_and_units_that_vote),
    ("membership", applications_before_both_bodies),
    ("notifications", an_alliance_of_its_own),
]


def retold(body: bytes, names: Names) -> bytes:
    """The event about other things of the same kind."""
    text = body.decode()
    for name, other in names.items():
        text = text.replace(name, other)
    return text.encode()


def outcomes(assembly: Assembly) -> dict[str, tuple[str, str | None]]:
    """State and reason of everything that was heard, by event id."""
    with assembly.reading() as reading:
        return {row.event_id: (row.state, row.reason) for row in reading.all(sa.select(inbox))}


@pytest.mark.parametrize(("service", "prepare"), PREPARED, ids=[name for name, _ in PREPARED])
def test_every_sample_has_its_effect(
    make_assembly: MakeAssembly, clock: ManualClock, service: str, prepare: Prepare
) -> None:
    assembly = make_assembly(service)
    names = prepare(assembly, clock)
    consumer = assembly.consumer()
    samples = in_order(service)

    for sample in samples:
        consumer.accept([retold(sample.body, names)])

    had = outcomes(assembly)
    assert {sample.name: had[sample.envelope["id"]] for sample in samples} == {
        sample.name: (DONE, None) for sample in samples
    }


@pytest.mark.parametrize(("service", "prepare"), PREPARED, ids=[name for name, _ in PREPARED])
def test_every_sample_has_its_effect_when_the_publisher_says_more(
    make_assembly: MakeAssembly, clock: ManualClock, service: str, prepare: Prepare
) -> None:
    """What a later minor version may add: fields of data at any depth, attributes of the envelope."""
    assembly = make_assembly(service)
    names = prepare(assembly, clock)
    consumer = assembly.consumer()

    for sample in in_order(service):
        richer = {**enriched(json.loads(retold(sample.body, names))), "addedextension": "x"}
        consumer.accept([json.dumps(richer).encode()])

    assert {reason for state, reason in outcomes(assembly).values() if state != DONE} == set()


def enriched(node: Any) -> Any:
    """The same with a field more in every object but the maps, whose keys are data."""
    if isinstance(node, dict):
        grown = {name: value if name in MAPS else enriched(value) for name, value in node.items()}
        return {**grown, "added_later": {"deep": [1, 2]}}
    return [enriched(each) for each in node] if isinstance(node, list) else node


#: Fields whose keys are data (languages, names of keys, parameters): a further key there is no further field.
MAPS = ("name", "jwk", "params", "rules")


@pytest.mark.parametrize("service", [service for service, _ in PREPARED])
def test_a_version_nobody_knows_is_parked_and_holds_up_nothing_else(make_assembly: MakeAssembly, service: str) -> None:
    """A new major is a new meaning: better an operator than a guess."""
    assembly = make_assembly(service)
    [manifest] = [each for each in SERVICES if each.name == service]
    known = next(sample for sample in in_order(service) if sample.type in manifest.consumes)
    future = {**known.envelope, "dataschema": known.envelope["dataschema"].replace(":1", ":2")}
    archived = {**known.envelope, "id": "01a204d6-0000-7000-8000-000000000000", "subject": "another"}

    assembly.consumer().accept([json.dumps(future).encode(), json.dumps(archived).encode()])

    had = outcomes(assembly)
    state, reason = had[future["id"]]
    assert (state, str(reason).startswith("event.unknown_major")) == (PARKED, True), reason
    assert had[archived["id"]][0] != PARKED
