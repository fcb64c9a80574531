"""What a proxy can do to one direction of a connection, as plain values. The doing is `proxy`'s."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Toxic:
    """What happens to the bytes of one direction; the preset values leave them alone."""

    #: Every chunk arrives so late, give or take the share `jitter` of it; order is kept.
    delay_seconds: float = 0.0
    jitter: float = 0.0
    #: Pieces of one to so many bytes, each a moment after the one before; 0: chunks stay whole.
    slice_bytes_max: int = 0
    slice_seconds: float = 0.0
    #: Nothing passes, not even a close, and nobody is told.
    holds: bool = False
    #: The end of the stream is passed on so late.
    close_seconds: float = 0.0
    #: After so many chunks the next is delivered by half and the connection ends; None: never.
    cut_after: int | None = None
    #: Whether such an end is an RST rather than a FIN.
    cut_by_reset: bool = False

    def pieces(self, chunk: bytes, chance: random.Random) -> Iterator[tuple[float, bytes]]:
        """The chunk as it travels: pieces, each with its delay after the one before, the first after the arrival."""
        delay = self.delay_seconds * (1 + chance.uniform(-self.jitter, self.jitter))
        if not self.slice_bytes_max:
            yield delay, chunk
            return
        start = 0
        while start < len(chunk):
            end = start + chance.randint(1, self.slice_bytes_max)
            yield (self.slice_seconds if start else delay), chunk[start:end]
            start = end


CLEAN = Toxic()


def latency(seconds: float, jitter: float = 0.0) -> Toxic:
    """A slow line."""
    return Toxic(delay_seconds=seconds, jitter=jitter)


def black_hole() -> Toxic:
    """Nothing passes and nobody is told; what was sent arrives after healing, as TCP's repeats would bring it."""
    return Toxic(holds=True)


def slicer(bytes_max: int = 7, seconds: float = 0.0002) -> Toxic:
    """Tiny pieces, so that no frame arrives in one."""
    return Toxic(slice_bytes_max=bytes_max, slice_seconds=seconds)


def cut(chunks: int, *, by_reset: bool = False) -> Toxic:
    """An end in the middle of a frame, for every connection anew."""
    return Toxic(cut_after=chunks, cut_by_reset=by_reset)


def slow_close(seconds: float) -> Toxic:
    """The other side learns late that one is gone."""
    return Toxic(close_seconds=seconds)
