"""Accounts of people: their states, names, roles, passwords and how long a wrong password makes one wait.

Hashes nothing and stores nothing.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.errors import Fault, Invalid

INVITED = "invited"
ACTIVE = "active"
CLOSED = "closed"

#: Roles that are given to a person. The other two follow from the roster (`derive_roles`).
OPERATOR = "operator"
STAFF_ROLES = frozenset({"secretariat", "treasurer", OPERATOR, "authority"})
REPRESENTATIVE = "representative"
COMMITTEE = "committee"

#: Offices that are a seat of the executive committee (art. 9). The secretary-general holds none (art. 11).
SEATS = frozenset({"director", "vice_director", "committee_member"})

USERNAME_LENGTH_MAX = 64
#: NIST SP 800-63B asks for 15 without and 8 with a second factor; 12 is ours until the console brings one.
PASSWORD_LENGTH_MIN = 12
#: Long enough for any passphrase, short enough that nobody makes us hash megabytes.
PASSWORD_LENGTH_MAX = 128
#: Fewer different characters than this is a pattern, not a password.
PASSWORD_VARIETY_MIN = 5

#: Wrong passwords before waiting starts: room for slips, and for a person's devices signing in together.
FREE_FAILURES = 5
#: The longest wait. Never a lock: whoever knows a name could otherwise shut its owner out for good. At this pace
#: a guesser has 288 tries a day.
WAIT_SECONDS_MAX = 300
#: After this long without a try the count starts again.
FORGET_AFTER = timedelta(hours=24)


def normalise_username(text: str) -> str:
    """One spelling for comparison: half-width, without surrounding space, case folded."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not 0 < len(name) <= USERNAME_LENGTH_MAX:
        raise Invalid("account.username_length", field="username", max=USERNAME_LENGTH_MAX)
    return name


def username_digest(name: str) -> str:
    """What attempts are counted under: names that were tried but do not exist are nobody's business to keep."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def ensure_password_allowed(password: str, username: str) -> None:
    """Refuse a password that is too short, too long, a pattern, or holds the user name. Invalid, naming the field."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        fault = Fault("account.password_length", "password", {"min": PASSWORD_LENGTH_MIN, "max": PASSWORD_LENGTH_MAX})
    elif len(set(password)) < PASSWORD_VARIETY_MIN or username in password.casefold():
        fault = Fault("account.password_guessable", "password")
    else:
        return
    raise Invalid.of([fault])


def wait_seconds(failures: int) -> int:
    """How long to wait after so many failures in a row: nothing at first, then doubling from one second."""
    if failures < FREE_FAILURES:
        return 0
    # The exponent is capped before the power is taken: the count has no limit, the number must.
    doublings = min(failures - FREE_FAILURES, WAIT_SECONDS_MAX.bit_length())
    return min(1 << doublings, WAIT_SECONDS_MAX)


def count_attempt(failures: int, tried_at: datetime, now: datetime) -> tuple[int, datetime]:
    """The failures including one more try, and until when the next must wait."""
    counted = 1 if now - tried_at > FORGET_AFTER else failures + 1
    return counted, now + timedelta(seconds=wait_seconds(counted))


def derive_roles(staff_roles: Iterable[str], *, represents_member: bool, offices: Iterable[str]) -> frozenset[str]:
    """Every role of a person now: given ones, plus those that follow from the unit it represents."""
    roles = set(staff_roles)
    if represents_member:
        roles.add(REPRESENTATIVE)
        if SEATS & set(offices):
            roles.add(COMMITTEE)
    return frozenset(roles)
