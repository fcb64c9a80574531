"""A damaged founding file is refused, or it still reads as a whole one: there is no half.

The properties are held over the reader; that a refused file stores nothing is held in tests/service/founding.
"""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.membership.domain.founding import FoundingRules
from services.membership.schemas.founding import FoundingFile, FoundingRefused, read_founding
from tests.builders.founding import founding_yaml

UNITS = 9
WHOLE = founding_yaml(UNITS).encode()
RULES = FoundingRules()


def read(data: bytes) -> FoundingFile | None:
    try:
        return read_founding(data, RULES)
    except FoundingRefused as error:
        refused = error
    assert refused.faults, "a refusal says why"
    lines = len(re.split(b"\r\n|\r|\n", data))
    assert all(1 <= each.line <= lines for each in refused.faults), "a fault stands on a line of the file"
    return None


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0, max_value=len(WHOLE)))
@example(len(WHOLE) - 1)
@example(len(WHOLE) - 2)
@example(WHOLE.index(b"  - number: 8"))  # cut between two units
def test_a_file_cut_off_anywhere_is_refused_unless_nothing_is_missing(length: int) -> None:
    file = read(WHOLE[:length])

    assert (file is not None) == (WHOLE[:length].rstrip() == WHOLE.rstrip())


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0, max_value=len(WHOLE) - 1), st.binary(min_size=0, max_size=3))
def test_a_file_with_damaged_bytes_is_refused_or_still_whole(place: int, instead: bytes) -> None:
    file = read(WHOLE[:place] + instead + WHOLE[place + 1 :])

    if file is not None:
        founding = file.founding
        assert [unit.number for unit in founding.units] == list(range(1, UNITS + 1))
        assert len({seat.unit for seat in founding.seats}) == 7
        assert all(unit.name and unit.kind and unit.county for unit in founding.units)
        assert all(unit.representative.name and unit.representative.username for unit in founding.units)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0, max_value=WHOLE.count(b"\n") - 1), st.integers(min_value=0, max_value=50))
def test_a_file_with_a_line_lost_or_moved_is_refused_or_still_whole(lost: int, put_at: int) -> None:
    lines = WHOLE.splitlines(keepends=True)
    moved = lines.pop(lost)

    for damaged in (lines, [*lines[:put_at], moved, *lines[put_at:]]):
        file = read(b"".join(damaged))
        assert file is None or [unit.number for unit in file.founding.units] == list(range(1, UNITS + 1))


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_no_input_whatever_ends_in_anything_but_a_founding_or_a_refusal(data: bytes) -> None:
    assert read(data) is None
