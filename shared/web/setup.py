"""The setup code: whoever holds it may set up an alliance where there is none yet. It gives no other right.

Checked here for every service that has such a door; when the door closes for good is for the service to decide.
"""

from __future__ import annotations

import hashlib
import hmac

from shared.errors import Forbidden
from shared.web.context import assembly
from shared.web.schemas import RequestSchema, Text

HEADER = "Setup-Code"
#: A person tries some files and types some units; a guesser of twenty characters would need longer than the universe.
CALLS_PER_MINUTE = 30
BURST = 60


class SetupCode(RequestSchema):
    """The code, in a header so that it appears in no access log."""

    setup_code = Text(
        max=200, min=0, data_key=HEADER, load_default=None, metadata={"description": "the setting LIANMENG_SETUP_CODE"}
    )


def is_setup_open() -> bool:
    """Whether this installation may be set up over HTTP at all."""
    return bool(assembly().settings.setup_code)


def ensure_setup_code(given: str | None) -> None:
    """Refuse whoever does not hold the code. Raises Forbidden."""
    if not is_setup_open():
        raise Forbidden("setup.off")
    wanted = assembly().settings.setup_code
    # Digests, so that the time tells nothing of the code, its length included.
    if not hmac.compare_digest(_digest(given or ""), _digest(wanted)):
        raise Forbidden("setup.code_wrong", field=HEADER)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
