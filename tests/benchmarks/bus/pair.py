"""The pair of services that is measured: `alpha` publishes events of about 1 KB, `beta` writes one row for each.

Everything between the two is the product's own code. The peers get the same data and write the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import marshmallow as ma
import psycopg
import sqlalchemy as sa

from shared.messaging import envelope
from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema
from shared.messaging.envelope import Event
from shared.persistence.columns import new_metadata
from shared.persistence.unit_of_work import Cause, UnitOfWork
from shared.runtime.assembly import Assembly, assemble
from shared.runtime.clock import SystemClock
from shared.runtime.identifiers import Identifiers
from shared.runtime.service import Service
from shared.runtime.settings import Settings

SAID = "alpha.word.said"
#: Things that events happen to, in turns: a batch of the relay has one event of each.
SUBJECTS = 500
#: As few that a batch has five events of each: these the relay sends one behind the other, each when its forerunner is
#: confirmed, for the order's sake.
FEW_SUBJECTS = 100
#: Makes the whole envelope about 1 KB.
STATEMENT = "We have read the charter, and we will keep it; our members have decided so at their meeting. " * 5
#: Holds no texts; the kernel's are all there is.
ROOT = Path(__file__).parent

#: The row that every consumer writes, ours and the peers'. Its sequence counts how many are done.
CREATE_HANDLED = """CREATE TABLE handled (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number varchar(20) NOT NULL,
    unit_name varchar(200) NOT NULL,
    members integer NOT NULL)"""
INSERT_HANDLED = "INSERT INTO handled (number, unit_name, members) VALUES (%s, %s, %s)"

metadata = new_metadata()
handled = sa.Table(
    "handled",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("number", sa.String(20), nullable=False),
    sa.Column("unit_name", sa.String(200), nullable=False),
    sa.Column("members", sa.Integer, nullable=False),
)


class WordSaid(PublishedSchema):
    """What alpha publishes."""

    number = ma.fields.String(required=True)
    unit_name = ma.fields.String(required=True)
    members = ma.fields.Integer(required=True)
    statement = ma.fields.String(required=True)


class WordHeard(ConsumedSchema):
    """The view that beta takes of it."""

    number = ma.fields.String(required=True)
    unit_name = ma.fields.String(required=True)
    members = ma.fields.Integer(required=True)


def write_row(work: UnitOfWork, event: Event) -> None:
    """Beta's reaction: one row per event."""
    work.add(handled, {name: event.data[name] for name in ("number", "unit_name", "members")})


def service(name: str) -> Service:
    """The manifest of `alpha` or `beta`."""
    is_alpha = name == "alpha"
    return Service(
        name=name,
        title=name,
        root=ROOT,
        metadata=new_metadata() if is_alpha else metadata,
        publishes={SAID: Published(WordSaid, "a word was said aloud")} if is_alpha else {},
        consumes={} if is_alpha else {SAID: Consumed(WordHeard)},
        reactions={} if is_alpha else {SAID: write_row},
        blueprints=[],
    )


def assembled(name: str, database_url: str, broker_url: str = "", **changed: Any) -> Assembly:
    """The service on its database, with the settings the product ships but for those named."""
    settings = Settings(service=name, profile="test", database_url=database_url, broker_url=broker_url, **changed)
    return assemble(service(name), settings)


def data_of(number: int) -> dict[str, Any]:
    """The data of the event with this number."""
    return {
        "number": number_text(number),
        "unit_name": "Zhuzhou Association of Bamboo and Timber",
        "members": 1280,
        "statement": STATEMENT,
    }


def number_text(number: int) -> str:
    """A number of fixed width, so that a message can be copied with another."""
    return f"N{number:09d}"


def rows_of_outbox(label: str, count: int, *, first: int = 0, subjects: int = SUBJECTS) -> Iterator[tuple[Any, ...]]:
    """Unsent rows as alpha would have written them; `label` keeps the subjects of one filling apart from others'.

    Their numbers begin with `first`.
    """
    clock = SystemClock()
    ids = Identifiers(clock)
    now = clock.now()
    model = envelope.encode(
        envelope.build(
            event_id="@id@",
            event_type=SAID,
            major=1,
            service="alpha",
            subject="@subject@",
            sequence=0,
            time=now,
            data=data_of(0),
            cause=Cause(correlation_id=ids.new_id()),
            article=None,
        )
    )
    for number in range(count):
        event_id, subject, sequence = ids.new_id(), f"{label}-{number % subjects}", number // subjects + 1
        text = (
            model.replace("@id@", event_id)
            .replace("@subject@", subject)
            .replace('"sequence":"0000000000"', f'"sequence":"{sequence:010d}"')
            .replace(number_text(0), number_text(first + number))
        )
        yield event_id, SAID, subject, sequence, text, now


def fill_outbox(connection: psycopg.Connection[Any], rows: Iterable[tuple[Any, ...]]) -> None:
    """Put unsent events into an outbox, past the writers, which are measured by themselves."""
    columns = "event_id, type, subject, sequence, envelope, recorded_at"
    with connection.transaction(), connection.cursor().copy(f"COPY outbox ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
