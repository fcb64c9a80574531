"""The client of the fault tests: says numbers at a bounded rate, until told to end, and remembers which were acknowledged.

It asks again, with the same number, until it has an acknowledgement; an attempt without an answer, or answered with an
error, has an unknown outcome. One client, one attempt at a time: so the order of saying is known.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time

from tests.faults.supervision import Gone, Supervised
from tests.faults.verdict import Promised

#: How long an answer may take, in seconds: above the database's statement and lock time-outs.
ANSWER_SECONDS = 30.0
#: Wait before asking again, in seconds.
AGAIN_SECONDS = 0.05


class Load:
    """One run of the client, in a thread of its own between `start` and `finish`."""

    def __init__(
        self,
        speaker: Supervised,
        promised: Promised,
        *,
        first: int,
        events: int,
        per_second: float,
        subjects: int,
        mood: str,
        seed: int,
        subject: str = "",
    ) -> None:
        """Over many `subjects` by chance, or all in one `subject`."""
        self._speaker = speaker
        self._promised = promised
        self._first = first
        self._events = events
        self._per_second = per_second
        self._subjects = subjects
        self._mood = mood
        self._subject = subject
        self._random = random.Random(seed)
        self._enough = threading.Event()
        self._stopping = threading.Event()
        #: The first number not said yet.
        self.next_number = first
        self._thread = threading.Thread(target=self._run, name="load")
        self._fault: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Say what is left of `events`, and wait until all is acknowledged; gives up after so long."""
        self._enough.set()
        self._thread.join(seconds)
        self.give_up()
        assert self._fault is None, f"the client failed: {self._fault!r}"

    def give_up(self) -> None:
        """End now; the number in hand stays of unknown outcome."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            begin = time.monotonic()
            for index in itertools.count():
                self._stopping.wait(max(0.0, begin + index / self._per_second - time.monotonic()))
                if self._stopping.is_set() or (index >= self._events and self._enough.is_set()):
                    return
                self.next_number += 1
                self.say(self._first + index, self._subject or f"s-{self._random.randrange(self._subjects)}")
        except BaseException as error:  # noqa: BLE001 - told in `finish`
            self._fault = error

    def say(self, number: int, subject: str) -> None:
        """Ask until acknowledged, or given up."""
        line = json.dumps({"number": number, "subject": subject, "mood": self._mood})
        while not self._stopping.is_set():
            try:
                answer = self._speaker.ask(line, ANSWER_SECONDS)
            except Gone:
                answer = "gone"
            if answer in ("new", "known"):
                if answer == "known":
                    assert number in self._promised.unknown, f"{number} was there before anybody said it"
                    self._promised.stored_unseen.add(number)
                self._promised.acknowledged[number] = subject
                return
            self._promised.unknown.add(number)
            self._promised.failures.append(answer)
            self._stopping.wait(AGAIN_SECONDS)
        self._promised.given_up[number] = subject
