"""The whole chain in a real browser: with a mouse at a desk and a finger on a phone, in both languages; with nothing but the
keyboard; and without JavaScript.
"""

from __future__ import annotations

import pytest

from tests.browser.admission import COMMITTEE, GENERAL_MEETING, Admission
from tests.browser.conftest import OpenWindow, each_look
from tests.browser.hands import Keyboard, Mouse
from tests.browser.windows import Look

#: In seconds: a story takes half a minute, and several on a machine that is busy with something else.
pytestmark = pytest.mark.timeout(500)


def tell(admission: Admission) -> None:
    """The story, up to the new member's home page: the committee agrees, the general meeting with exactly half."""
    admission.apply()
    admission.sign_secretary_in()
    admission.ask()
    admission.answer()
    admission.accept()
    voters = admission.voters()
    committee = [each for each in voters if each.sits_in_committee]
    admission.decide(COMMITTEE, [(each, "abstain" if each is committee[-1] else "yes") for each in committee])
    half = (len(voters) + 1) // 2
    choices = ["yes"] * half + ["no"] * (len(voters) - half - 1) + ["abstain"]
    ballot = admission.decide(GENERAL_MEETING, zip(voters, choices, strict=True))
    admission.activate()
    admission.look_back(ballot)


@each_look
def test_a_unit_becomes_a_member_by_clicks(open_window: OpenWindow, look: Look) -> None:
    admission = Admission(open_window(look), open_window(look), lambda page: Mouse())

    tell(admission)


def test_a_unit_becomes_a_member_by_the_keyboard_alone(open_window: OpenWindow) -> None:
    look = Look("zh-CN", watched=False, name="keyboard")
    admission = Admission(open_window(look), open_window(look), Keyboard)

    tell(admission)


def test_a_unit_becomes_a_member_without_javascript(open_window: OpenWindow) -> None:
    look = Look("en", 390, 844, scripts=False, name="no-script")
    admission = Admission(open_window(look), open_window(look), lambda page: Mouse())

    tell(admission)
