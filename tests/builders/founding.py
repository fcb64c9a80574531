"""Founding files for tests: as many units as a test needs, told by plain arguments.

Unit 1 is the SME centre, unit 2 the window platform; the representative of unit N signs in as `unitN`. Every line of
the file can be replaced, so that a test shows just what is wrong with it. It must not read the demo's file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Seven units: director, two vice-directors, four members.
COMMITTEE = (1, 2, 3, 4, 5, 6, 7)
STAFF = {"clerk": "secretariat", "treasurer": "treasurer", "operator": "operator", "authority": "authority"}
PASSWORD = "a-password-for-tests"


def founding_yaml(
    units: int = 15,
    *,
    committee: Sequence[int] = COMMITTEE,
    name: str = "株洲市企业服务联盟",
    instead: Mapping[str, str] | None = None,
) -> str:
    """A founding file without faults; `instead` replaces the one line that contains a text by other lines."""
    director, *others = committee
    lines = [
        "format: 1",
        "alliance:",
        f"  name: {name}",
        "  number_prefix: ZZ",
        "  founded_on: 2026-01-08",
        "  sme_centre: 1",
        "  window_platform: 2",
        "committee:",
        "  term_from: 2026-01-08",
        "  term_to: 2030-01-08",
        "  director:",
        f"    unit: {director}",
        "    put_forward_by: 1",
        "  vice_directors:",
        *(line for unit in others[:2] for line in (f"    - unit: {unit}", "      put_forward_by: 2")),
        "  members:",
        *(f"    - unit: {unit}" for unit in others[2:]),
        "secretariat:",
        "  secretary_general: {name: 沈若楠, title: 秘书长, username: secretary}",
        "  staff:",
        *(f"    - {{name: {user}, title: 职员, username: {user}, roles: [{role}]}}" for user, role in STAFF.items()),
        "units:",
        *(line for number in range(1, units + 1) for line in _unit(number)),
        "...",
    ]
    for old, new in (instead or {}).items():
        lines = _replace_line(lines, old, new)
    return "\n".join(lines) + "\n"


def line_of(text: str, part: str) -> int:
    """The line, from 1, of the first line that contains `part`."""
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def _unit(number: int) -> list[str]:
    named = {1: "株洲市中小企业发展服务中心", 2: "株洲市中小微企业窗口服务平台"}
    return [
        f"  - number: {number}",
        f"    name: {named.get(number, f'第{number}单位')}",
        "    kind: service_center",
        "    county: tianyuan",
        "    representative:",
        f"      name: 代表{number}",
        "      title: 主任",
        f"      username: unit{number}",
    ]


def _replace_line(lines: list[str], old: str, new: str) -> list[str]:
    place = next(place for place, line in enumerate(lines) if old in line)
    return [*lines[:place], *new.splitlines(), *lines[place + 1 :]]
