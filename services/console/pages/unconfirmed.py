"""What somebody has chosen and has still to confirm: kept in the browser's drafts while the password is asked for.

Of that very person and for a moment only. Must not know what is being confirmed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.console.browser import browser, person
from services.console.sealing import digest_of
from shared.web.context import assembly

#: How long it is kept; later one chooses anew.
KEPT = timedelta(minutes=15)


def name_of(act: str, thing_id: str) -> str:
    """Under which the visitor keeps it; ids of ballots are longer than names of drafts."""
    return f"{act} {digest_of(thing_id)[:40]}"


def keep(act: str, thing_id: str, **chosen: Any) -> None:
    """Keep what was chosen about a thing."""
    kept = {**chosen, "account": person().account_id, "at": assembly().clock.now().isoformat()}
    browser().keep_draft(name_of(act, thing_id), kept)


def kept(act: str, thing_id: str) -> Any:
    """What this very person has chosen a moment ago, or None: somebody else at the same browser does not see it."""
    found = browser().draft(name_of(act, thing_id))
    if not found:
        return None
    is_old = assembly().clock.now() - datetime.fromisoformat(found["at"]) > KEPT
    if is_old or found["account"] != person().account_id:
        drop(act, thing_id)
        return None
    return found


def drop(act: str, thing_id: str) -> None:
    """Forget it: it is done, or it is no longer meant."""
    browser().drop_draft(name_of(act, thing_id))
