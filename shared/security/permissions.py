"""Who the caller is and which gate lets whom pass.

Plain values and one decision, without HTTP and without database: `shared.web.access` applies them to views.
A gate says who may *knock*; whether this caller may have this record is decided by the command or query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from shared.errors import Forbidden, Unauthenticated

CallerKind = Literal["person", "platform", "anonymous"]

#: How long ago the password may have been given where a view wants to be sure who sits there, in seconds. The lifetime
#: of an access token: whoever has just signed in is not asked twice, and a screen left open over lunch does not vote.
STEP_UP_SECONDS = 600


@dataclass(frozen=True)
class Caller:
    """The party behind a request, as far as its token proves it."""

    #: Account id of a person, client id of a platform.
    subject: str | None = None
    kind: CallerKind = "anonymous"
    roles: frozenset[str] = field(default_factory=frozenset)
    #: The member unit that a person acts for.
    unit_id: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    #: When the person last gave the password, in seconds since 1970, as far as the token says.
    authenticated_at_epoch: int | None = None
    #: The session in which the token was made, where it was made in one.
    session_id: str | None = None

    @property
    def signed_in(self) -> bool:
        """Whether a valid token came with the request."""
        return self.kind != "anonymous"

    @property
    def is_platform(self) -> bool:
        """Whether a program with client credentials is calling."""
        return self.kind == "platform"

    def has_role(self, *roles: str) -> bool:
        """Whether the caller holds at least one of the roles."""
        return not self.roles.isdisjoint(roles)

    def has_scope(self, *scopes: str) -> bool:
        """Whether the caller holds at least one of the scopes."""
        return not self.scopes.isdisjoint(scopes)


ANONYMOUS = Caller()


class StepUpNeeded(Unauthenticated):
    """The caller is known and may do this, once they have given the password again (RFC 9470)."""

    def __init__(self) -> None:
        super().__init__("access.step_up_needed", minutes=STEP_UP_SECONDS // 60)


@dataclass(frozen=True)
class Gate:
    """Who may call a view.

    `public` lets everybody in, except that a platform needs one of `scopes` where any are named. `signed_in` lets in
    every caller with a valid token. Otherwise a person needs one of `roles`, a platform one of `scopes`. `recent` also
    demands that the password was given a short while ago.
    """

    public: bool = False
    signed_in: bool = False
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    recent: bool = False

    @classmethod
    def of(
        cls,
        *,
        public: bool = False,
        signed_in: bool = False,
        roles: Iterable[str] = (),
        scopes: Iterable[str] = (),
        recent: bool = False,
    ) -> Gate:
        """A gate; one that lets nobody pass is a bug."""
        gate = cls(public=public, signed_in=signed_in, roles=frozenset(roles), scopes=frozenset(scopes), recent=recent)
        assert public or signed_in or gate.roles or gate.scopes, "a view must say who may call it"
        return gate

    def ensure_passes(self, caller: Caller) -> None:
        """Raises Unauthenticated for an unknown caller and Forbidden for one who lacks the right."""
        if not caller.signed_in:
            if not self.public:
                raise Unauthenticated("access.token_missing")
        elif not self._lets_in(caller):
            raise Forbidden("access.forbidden")

    def ensure_recent(self, caller: Caller, now_epoch: float) -> None:
        """Raises StepUpNeeded where the gate wants a recent password and the caller's is older, or of unknown age."""
        if not self.recent:
            return
        given = caller.authenticated_at_epoch
        if given is None or now_epoch - given > STEP_UP_SECONDS:
            raise StepUpNeeded

    def _lets_in(self, caller: Caller) -> bool:
        if caller.is_platform:
            if self.scopes:
                return caller.has_scope(*self.scopes)
            return self.public or self.signed_in
        if self.public or self.signed_in:
            return True
        return caller.has_role(*self.roles)
