"""The applications that this browser remembers with their access codes, sealed with the secret of its cookie.

A code leaves here in a header to membership, and on the page of whoever has given it; never in an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.console.apis import Apis
from services.console.browser import browser
from services.console.wording import day
from shared.web.context import assembly

DRAFT = "applications"
#: A service centre may apply for several units from one browser; the oldest of more is forgotten.
REMEMBERED_MAX = 20


def remembered() -> list[dict[str, Any]]:
    """What this browser remembers, newest first: application_id, number, unit_name, code, and what else was kept."""
    found: list[dict[str, Any]] | None = browser().draft(DRAFT)
    return found or []


def recall(application_id: str) -> dict[str, Any] | None:
    """One of them, or None. Whoever comes back within the month is remembered for another."""
    entry = next((each for each in remembered() if each["application_id"] == application_id), None)
    if entry is not None and entry.get("seen_on") != _today():
        remember(entry)
    return entry


def remember(entry: Mapping[str, Any]) -> None:
    """Remember one, in place of what was known of it."""
    others = [each for each in remembered() if each["application_id"] != entry["application_id"]]
    browser().keep_draft(DRAFT, [{**entry, "seen_on": _today()}, *others][:REMEMBERED_MAX])


def forget(application_id: str) -> None:
    """Forget one."""
    browser().keep_draft(DRAFT, [each for each in remembered() if each["application_id"] != application_id])


def applicants_apis() -> Apis:
    """The APIs as an applicant asks them: known by the code alone, whoever may be signed in."""
    here = browser()
    headers = {name: value for name, value in here.apis.headers.items() if name != "Authorization"}
    return Apis(here.apis.line, headers, here.apis.away)


def with_code(code: str) -> dict[str, str]:
    """The header that proves the applicant."""
    return {"Application-Code": code}


def _today() -> str:
    return day(assembly().clock.now().isoformat())
