"""`make mutants`: mutmut changes one thing at a time in `shared/messaging`; some test must fail each time.

Runs in a copy of the tree, prints what survived and the score: the share of mutants that a test noticed, by failing or
by never ending. Those that no test reaches count as survivors. Ends with 1 below the target.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Least share of mutants that must be noticed, in per cent.
TARGET = 90.0
#: What is not copied: environments, caches, data.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "var", "__pycache__", ".*_cache", "mutants.log")
#: A machine of two cores has both busy.
AT_ONCE = 2


def main(arguments: Sequence[str]) -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help="such as 'shared.messaging.inbox*'; without any, all")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lianmeng-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        ended = _mutmut(tree, "run", "--max-children", str(AT_ONCE), *options.names)
        if ended.returncode:
            print(ended.stdout[-4_000:], ended.stderr[-4_000:], sep="\n")
            return 2
        survivors = _mutmut(tree, "results").stdout
        _mutmut(tree, "export-cicd-stats")
        counts = json.loads((tree / "mutants" / "mutmut-cicd-stats.json").read_text("utf-8"))
    return report(survivors, counts)


def _mutmut(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def report(survivors: str, counts: dict[str, int]) -> int:
    """Print survivors and score; the exit status."""
    print("\n".join(line.strip() for line in survivors.splitlines() if "not checked" not in line))
    noticed = counts["killed"] + counts["timeout"]
    judged = noticed + counts["survived"] + counts["no_tests"] + counts["suspicious"]
    if not judged:
        print("no mutant was made: nothing is shown")
        return 2
    score = 100 * noticed / judged
    print(f"{judged} mutants, {noticed} noticed ({counts['timeout']} by never ending), score {score:.1f} %")
    return 0 if score >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
