"""A batch on its way to the broker: what is in flight, what came of each message, and what may follow.

Per subject one message is in flight at a time: were two sent and the first refused, the second would have overtaken it.
Pure bookkeeping, no I/O; it belongs to the publisher's I/O thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.messaging.transport import BEHIND_A_REFUSED, Message


class Window:
    """One batch. Every message of it is settled once: confirmed, refused, or held back behind a refused one."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        #: For each message None, or why it was not taken. True only of those that are settled.
        self.outcomes: list[str | None] = [None] * len(messages)
        self.settled = 0
        #: How many messages from the first on are settled without a gap.
        self.front = 0
        self._settled_indices = bytearray(len(messages))
        self._indices = {message.event_id: index for index, message in enumerate(messages)}
        assert len(self._indices) == len(messages), "an id twice in one batch"
        #: Where the next message of the same subject stands.
        self._following: dict[int, int] = {}
        self._heads = self._chain(messages)
        #: What was sent, in order; the tags of a channel ascend by one, so the place tells the tag.
        self._sent: list[int] = []
        self._is_open: list[bool] = []
        self._first_tag = 0
        #: Every tag below this place is settled, so that confirms of many need look at each tag once only.
        self._floor = 0

    def _chain(self, messages: Sequence[Message]) -> list[int]:
        last: dict[str, int] = {}
        heads: list[int] = []
        for index, message in enumerate(messages):
            before = last.get(message.subject)
            if before is None:
                heads.append(index)
            else:
                self._following[before] = index
            last[message.subject] = index
        return heads

    @property
    def is_settled(self) -> bool:
        """Whether the outcome of every message is known."""
        return self.settled == len(self.messages)

    def begin(self, first_tag: int) -> list[int]:
        """The channel's next tag is this one. Returns what to send at once: the first message of each subject."""
        self._first_tag = first_tag
        return self._heads

    def note_sent(self, index: int) -> None:
        """This message has been sent, under the next tag."""
        self._sent.append(index)
        self._is_open.append(True)

    def note_returned(self, event_id: str, reason: str) -> None:
        """No queue takes this message. The broker says so first, and confirms it all the same."""
        index = self._indices.get(event_id)
        if index is not None:
            self.outcomes[index] = reason

    def settle(self, tag: int, *, multiple: bool, refusal: str | None) -> list[int]:
        """The broker has confirmed or refused a tag, or all up to it. Returns what to send now."""
        place = tag - self._first_tag
        following: list[int] = []
        for each in range(self._floor if multiple else place, min(place + 1, len(self._sent))):
            following += self._settle_place(each, refusal)
        if multiple:
            self._floor = max(self._floor, place + 1)
        gap = self._settled_indices.find(0, self.front)
        self.front = len(self.messages) if gap < 0 else gap
        return following

    def _settle_place(self, place: int, refusal: str | None) -> list[int]:
        if place < 0 or not self._is_open[place]:
            return []
        self._is_open[place] = False
        index = self._sent[place]
        self._note_settled(index)
        if refusal is not None:
            self.outcomes[index] = refusal
        if self.outcomes[index] is not None:
            self._hold_back(index)
            return []
        following = self._following.get(index)
        return [] if following is None else [following]

    def _hold_back(self, index: int) -> None:
        following = self._following.get(index)
        while following is not None:
            self.outcomes[following] = BEHIND_A_REFUSED
            self._note_settled(following)
            following = self._following.get(following)

    def _note_settled(self, index: int) -> None:
        self._settled_indices[index] = True
        self.settled += 1
