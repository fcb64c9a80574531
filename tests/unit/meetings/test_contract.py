"""What meetings publishes has the shape the others were promised, and can be described as JSON Schema."""

from __future__ import annotations

import json

import pytest

from services.meetings.events import PUBLISHES
from services.meetings.service import SERVICE
from shared.messaging.contracts import json_schema


@pytest.mark.parametrize("event_type", sorted(PUBLISHES))
def test_each_event_is_described(event_type: str) -> None:
    schema = json_schema(PUBLISHES[event_type].schema, event_type, 1)

    assert json.loads(json.dumps(schema)) == schema
    assert schema["properties"]
    assert schema["additionalProperties"] is False


def test_a_timer_closes_what_is_due() -> None:
    assert "close_due_ballots" in [timer.name for timer in SERVICE.timers]
