"""`make bench-pages`: how long the console takes for each of its pages, and how much it sends, on a small roster and a large one.

The whole alliance in this process on SQLite: the time of a page holds the console's own work and that of the APIs it asks. A
page is opened again and again by the person it is for. A measurement, not a test: it prints figures and the targets, and
ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from deploy.embedded.api_client import Api
from services.meetings import tables as meetings
from services.membership import tables as membership
from shared.runtime.logging import configure_logging
from tests.benchmarks.quantiles import quantile
from tests.builders.applications import application_form
from tests.builders.console import ADDRESS, PASSWORD, Office, Visitor, founded_office

#: Targets: server time of a page in milliseconds, and what a first visit transfers in bytes, own resources included.
TARGET_P95, TARGET_BYTES = 200.0, 100_000
#: Members of the large roster; some alliances of a province have as many.
MANY = 10_000
#: Openings of a page that count, after those that warm up.
OPENINGS, WARM_UP = 40, 5
ADMITTED = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class PageTime:
    """One page as it was measured: milliseconds and bytes."""

    path: str
    who: str
    p50: float
    p95: float
    size: int


def main(arguments: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pages", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--openings", type=int, default=OPENINGS, help="of each page")
    options = parser.parse_args(arguments)
    configure_logging("ERROR", "bench")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="lianmeng-pages-") as folder, founded_office(Path(folder)) as office:
        story = _story(office)
        members = office.api.get("membership/v1/alliance")["members"]
        for count in (members, MANY):
            _grow(office, count)
            missed += _report(f"{count:,} members", list(_measured(office, story, options.openings)))
    return 1 if missed else 0


def _story(office: Office) -> dict[str, str]:
    """An application on its way, its open ballot, a member: what pages with an id show."""
    secretary = office.api.signed_in("secretary", PASSWORD)
    receipt = office.api.post("membership/v1/applications", application_form())
    application_id = receipt["application_id"]
    secretary.post(f"membership/v1/applications/{application_id}/acceptance", {"confirm_warnings": True})

    def ballots() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = secretary.get("meetings/v1/ballots", application_id=application_id)["items"]
        return found

    ballot = office.api.wait("the committee's ballot", ballots)[0]
    member = secretary.get("membership/v1/members")["items"][0]
    thread = ballot["correlation_id"]
    office.api.wait("the timeline", lambda: _thread(secretary, thread))
    return {
        "application_id": application_id,
        "ballot_id": ballot["ballot_id"],
        "member_id": member["member_id"],
        "correlation_id": thread,
    }


def _thread(api: Api, thread: str) -> Any:
    return api.get(f"notifications/v1/timelines/{thread}")["entries"]


def _grow(office: Office, count: int) -> None:
    """Units on the roster and on the roll as if they had been founding members."""
    houses = office.alliance.assemblies
    with houses["membership"].begin() as work:
        present = work.scalar(sa.select(sa.func.count()).select_from(membership.members))
        rows = [_member(number) for number in range(present + 1, count + 1)]
        if rows:
            work.execute(sa.insert(membership.members), rows)
    units = [
        {"unit_id": row["member_id"], "number": row["number"], "unit_name": row["unit_name"], "admitted_at": ADMITTED}
        for row in rows
    ]
    if units:
        with houses["meetings"].begin() as work:
            work.execute(sa.insert(meetings.units), units)


def _member(number: int) -> dict[str, Any]:
    return {
        "member_id": f"many-{number}",
        "number": f"ZZ-{number + 90_000}",
        "unit_name": f"株洲第 {number} 家企业服务机构有限责任公司",
        "kind": "service_institution",
        "county": "shifeng",
        "profile": {},
        "admitted_at": ADMITTED,
        "founding": True,
    }


def _measured(office: Office, story: Mapping[str, str], openings: int) -> Iterator[PageTime]:
    people = {name: office.signed_in(name) for name in ("secretary", "centre", "operator", "treasurer")}
    people["visitor"] = office.visitor()
    for path, who in pages_of(office, story):
        visitor = people[who]
        times = []
        for _ in range(WARM_UP + openings):
            started = time.perf_counter()
            page = visitor.get(path)
            times.append((time.perf_counter() - started) * 1000)
            assert page.status == 200, f"{path} for {who}: {page.status}"
        counted = times[WARM_UP:]
        yield PageTime(path, who, quantile(counted, 0.5), quantile(counted, 0.95), _weight(visitor))


def pages_of(office: Office, story: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every page that opens by its address alone, and who looks at it: the first of these for whom it opens."""
    for rule in sorted(office.alliance.console.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in (rule.methods or ()) or rule.rule.endswith("/live") or not rule.arguments <= story.keys():
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", story[name]).replace(f"<string:{name}>", story[name])
        for who in ("visitor", "secretary", "centre", "operator", "treasurer"):
            visitor = office.visitor() if who == "visitor" else office.signed_in(who)
            page = visitor.get(path)
            if page.status == 200 and page.html:
                yield path, who
                break


def _weight(visitor: Visitor) -> int:
    """Bytes of a first visit: the page and what it loads, compressed where the gateway compresses."""
    assert visitor.page is not None
    total = len(visitor.page.response.get_data())
    for name in ("/static/style.css", "/static/favicon.svg", "/script/script.js"):
        total += len(visitor.client.get(name, base_url=ADDRESS).get_data())
    return total


def _report(title: str, measured: Sequence[PageTime]) -> int:
    """Print a roster's figures; how many targets were missed."""
    print(f"\n{title}: {len(measured)} pages\n{'page':<44} {'for':<10} {'p50 ms':>8} {'p95 ms':>8} {'bytes':>9}")
    for each in sorted(measured, key=lambda each: -each.p95):
        print(f"{shortened(each.path):<44} {each.who:<10} {each.p50:>8.1f} {each.p95:>8.1f} {each.size:>9,}")
    slowest = max(measured, key=lambda each: each.p95)
    heaviest = max(measured, key=lambda each: each.size)
    missed = [
        _judged(f"every page within {TARGET_P95:.0f} ms p95", slowest.p95 <= TARGET_P95, f"{slowest.p95:.1f} ms"),
        _judged(f"every page within {TARGET_BYTES:,} bytes", heaviest.size <= TARGET_BYTES, f"{heaviest.size:,}"),
    ]
    return sum(missed)


def _judged(target: str, kept: bool, figure: str) -> int:  # noqa: FBT001 - a verdict
    print(f"{'PASS' if kept else 'miss'}  {target}: {figure}")
    return 0 if kept else 1


def shortened(path: str) -> str:
    """Ids take more room than they tell."""
    return "/".join(part if len(part) < 30 else f"{part[:6]}…" for part in path.split("/"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
