"""`python -m tests.catalogue [NAME …]`: each bug of the catalogue, or those whose names contain a word, against its tests.

Two copies of the tree work side by side. Ends with 1 when a bug survives or an entry proves nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.catalogue.bugs import Bug, faults, read_bugs
from tests.catalogue.running import PASSED, ROOT, Copy, Verdict, is_of

#: Copies of the tree at work; a machine of two cores has them both busy.
AT_ONCE = 2


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
        unsound = _unsound(Copy(Path(folder) / "sound"), bugs)
        if unsound:
            print("These must pass on the unchanged tree, and do not:", *unsound, sep="\n  ")
            return 1
        print(f"{len(bugs)} bugs; their tests pass on the unchanged tree ({time.monotonic() - started:.0f} s)\n")
        survivors = _judge(bugs, Path(folder))
    seconds = time.monotonic() - started
    print(f"\n{len(bugs) - len(survivors)} of {len(bugs)} bugs killed in {seconds:.0f} s")
    for name in survivors:
        print(f"  not killed: {name}")
    return 1 if survivors else 0


def _unsound(copy: Copy, bugs: Sequence[Bug]) -> list[str]:
    tests = sorted({test for bug in bugs for test in bug.killed_by})
    outcomes = copy.run(tests)
    troubled = [f"{each.test}: {each.said}" for each in outcomes if each.said != PASSED]
    return troubled + [f"{test}: did not run" for test in tests if not any(is_of(each.test, test) for each in outcomes)]


def _judge(bugs: Sequence[Bug], folder: Path) -> list[str]:
    """Judge them all, saying each verdict as it falls; returns the names of those that are not killed."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for number in range(AT_ONCE):
        free.put(Copy(folder / str(number)))

    def judge(bug: Bug) -> Verdict:
        copy = free.get()
        try:
            found = copy.judge(bug)
        finally:
            free.put(copy)
        _say(found)
        return found

    print(f"{'bug':<52} {'pitfall':>7} {'seconds':>7}  what its tests said")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [found.bug.name for found in pool.map(judge, bugs) if not found.killed]


def _say(found: Verdict) -> None:
    pitfall = found.bug.pitfall or "-"
    mark = "" if found.killed else "!! "
    print(f"{found.bug.name:<52} {pitfall:>7} {found.seconds:>7.1f}  {mark}{found.said[:120]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
