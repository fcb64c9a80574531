"""Frames joined into one write to the socket: with a system call per frame, three a message, sending is mostly calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pika.adapters.select_connection import SelectConnection

#: Largest write that frames are joined into, in bytes. What the socket does not take at once is copied for the next
#: attempt, so joining without end would copy without end.
JOINED_BYTES_MAX = 262_144


class JoiningConnection(SelectConnection):  # type: ignore[misc] # pika ships no types
    """pika's connection, with blocks in which what is sent leaves together.

    Overrides the one method that pika has its adapters implement to hand bytes to the socket. Should pika stop calling
    it, frames leave one by one again: slower, and as safe. A test tells when.
    """

    _pieces: list[bytes] | None = None
    _bytes = 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """What is sent within the block leaves in as few writes as the limit allows, at its end at the latest."""
        assert self._pieces is None, "blocks do not nest"
        self._pieces = []
        try:
            yield
        finally:
            # After an error too: pika hands over whole messages only, and those before the bad one are on record as sent.
            self._write()
            self._pieces = None

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._pieces is None:
            super()._adapter_emit_data(data)
            return
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes >= JOINED_BYTES_MAX:
            self._write()

    def _write(self) -> None:
        if self._pieces:
            super()._adapter_emit_data(b"".join(self._pieces))
            self._pieces = []
            self._bytes = 0
