"""`python -m tests.catalogue [NAME …]`: each bug of the catalogue, or those whose names contain a word, against its tests.

Some copies of the tree work side by side; in one of them the tests first run without any bug. Ends with 1 when a bug
survives, an entry proves nothing, or a test does not pass on the unchanged tree.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.catalogue.bugs import Bug, faults, read_bugs
from tests.catalogue.running import PASSED, ROOT, SOUND_SECONDS, Copy, Verdict, is_of

#: Copies of the tree at work for each core: every second bug is noticed only because something does not happen for a while.
AT_ONCE_PER_CORE = 2
#: Words in a test file that say that it waits for a broker: the longest of all, and begun first.
SLOW = "pytest.mark.rabbitmq"


def main(words: Sequence[str]) -> int:
    """Judge the chosen bugs and print a table."""
    bugs = [bug for bug in read_bugs() if not words or any(word in bug.name for word in words)]
    if not bugs:
        print(f"no bug is called like {' or '.join(words)}")
        return 1
    if stale := faults(bugs, ROOT):
        print("\n".join(stale))
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lianmeng-bugs-") as folder:
        unsound, survivors = _judge(sorted(bugs, key=_is_quick), Path(folder))
    seconds = time.monotonic() - started
    if unsound:
        print("\nThese must pass on the unchanged tree, and do not:", *unsound, sep="\n  ")
    print(f"\n{len(bugs) - len(survivors)} of {len(bugs)} bugs killed in {seconds:.0f} s")
    for name in survivors:
        print(f"  not killed: {name}")
    return 1 if survivors or unsound else 0


def _is_quick(bug: Bug) -> bool:
    return not any(SLOW in (ROOT / test.partition("::")[0]).read_text("utf-8") for test in bug.killed_by)


def _judge(bugs: Sequence[Bug], folder: Path) -> tuple[list[str], list[str]]:
    """Judge them all, saying each verdict as it falls; returns tests that fail without a bug, and bugs not killed."""
    at_once = AT_ONCE_PER_CORE * (os.cpu_count() or 1)
    free: SimpleQueue[Copy] = SimpleQueue()
    for number in range(at_once):
        free.put(Copy(folder / str(number)))

    def sound() -> list[str]:
        with _one_of(free) as copy:
            found = _unsound(copy, bugs)
        print(
            f"{'(without any bug)':<52} {'-':>7} {'':>7}  {'!! not all passed' if found else 'all passed'}", flush=True
        )
        return found

    def judge(bug: Bug) -> Verdict:
        with _one_of(free) as copy:
            found = copy.judge(bug)
        _say(found)
        return found

    print(f"{'bug':<52} {'pitfall':>7} {'seconds':>7}  what its tests said")
    with ThreadPoolExecutor(at_once) as pool:
        unsound = pool.submit(sound)
        verdicts = pool.map(judge, bugs)
        return unsound.result(), [found.bug.name for found in verdicts if not found.killed]


@contextmanager
def _one_of(free: SimpleQueue[Copy]) -> Iterator[Copy]:
    copy = free.get()
    try:
        yield copy
    finally:
        free.put(copy)


def _unsound(copy: Copy, bugs: Sequence[Bug]) -> list[str]:
    tests = sorted({test for bug in bugs for test in bug.killed_by})
    outcomes = copy.run(tests, SOUND_SECONDS)
    troubled = [f"{each.test}: {each.said}" for each in outcomes if each.said != PASSED]
    return troubled + [f"{test}: did not run" for test in tests if not any(is_of(each.test, test) for each in outcomes)]


def _say(found: Verdict) -> None:
    pitfall = found.bug.pitfall or "-"
    mark = "" if found.killed else "!! "
    print(f"{found.bug.name:<52} {pitfall:>7} {found.seconds:>7.1f}  {mark}{found.said[:120]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
