"""Clock, identifiers and texts: the sources that everything else draws from."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from shared.runtime.clock import ManualClock, rfc3339
from shared.runtime.identifiers import Identifiers, seeded_randomness
from shared.runtime.texts import Texts

START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def test_identifiers_are_version_7_carry_their_time_and_do_not_repeat() -> None:
    clock = ManualClock(START)
    ids = Identifiers(clock)

    made = [uuid.UUID(ids.new_id()) for _ in range(1_000)]

    assert len(set(made)) == 1_000
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {uuid.RFC_4122}
    assert {each.int >> 80 for each in made} == {int(START.timestamp() * 1000)}


def test_later_identifiers_sort_after_earlier_ones() -> None:
    clock = ManualClock(START)
    ids = Identifiers(clock)
    made = []
    for _ in range(20):
        made.append(ids.new_id())
        clock.advance(0.001)
    assert made == sorted(made)


def test_a_seed_repeats_a_run_and_secrets_fill_64_characters() -> None:
    def run(seed):
        ids = Identifiers(ManualClock(START), seeded_randomness(seed))
        return [ids.new_id(), ids.secret(), ids.fraction()]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert all(len(Identifiers(ManualClock(START), seeded_randomness(n)).secret()) == 64 for n in range(50))


def test_a_clock_set_back_does_not_take_back_elapsed_seconds() -> None:
    clock = ManualClock(START)
    clock.advance(5)
    clock.advance(-3600)

    assert clock.now() == START + timedelta(seconds=5 - 3600)
    assert clock.monotonic() == 5


def test_instants_are_written_in_utc_with_microseconds() -> None:
    assert rfc3339(datetime.fromisoformat("2026-11-22T16:30:00+08:00")) == "2026-11-22T08:30:00.000000Z"


@pytest.fixture
def texts(tmp_path):
    for folder, language, body in [
        ("shared", "zh-CN", '"a.b" = "共享"\n"a.only_zh" = "只有中文"'),
        ("shared", "en", '"a.b" = "shared"'),
        ("service", "zh-CN", '"a.hello" = "{name}，您好"'),
        ("service", "en", '"a.hello" = "Hello, {name}"\n"a.b" = "own"'),
    ]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{language}.toml").write_text(body, "utf-8")
    return Texts.load([tmp_path / "shared", tmp_path / "service"])


def test_texts_fill_placeholders_and_a_service_overrides_the_shared_ones(texts) -> None:
    assert texts.render("a.hello", "zh-CN", name="炎陵") == "炎陵，您好"
    assert texts.render("a.b", "en") == "own"


def test_a_missing_text_falls_back_to_chinese_and_then_to_the_code(texts) -> None:
    assert texts.render("a.only_zh", "en") == "只有中文"
    assert texts.render("a.nothing", "en") == "a.nothing"


def test_a_missing_placeholder_does_not_turn_a_refusal_into_an_error(texts) -> None:
    assert texts.render("a.hello", "en") == "Hello, {name}"
