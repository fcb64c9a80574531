"""What finance says and hears. The whole contract on one screen; no behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import fields, validate

from shared.messaging.contracts import Consumed, ConsumedSchema, Published, PublishedSchema
from shared.security.keys import KeyPublishedView, KeyRetiredView

ACCOUNT_OPENED = "finance.account.opened"
ACCOUNT_CLOSED = "finance.account.closed"
ENTRY_POSTED = "finance.entry.posted"


class OfMemberAccount(PublishedSchema):
    account_id = fields.String(required=True)
    code = fields.String(required=True)
    member_id = fields.String(required=True)
    currency = fields.String(required=True, validate=validate.Equal("CNY"))
    balance_fen = fields.Integer(required=True, strict=True)


class AccountOpened(OfMemberAccount):
    pass


class AccountClosed(OfMemberAccount):
    """`balance_fen` is what is left to settle: debits less credits, so what the unit owes is above zero."""


class EntryPosted(PublishedSchema):
    entry_id = fields.String(required=True)
    total_fen = fields.Integer(required=True, strict=True)
    currency = fields.String(required=True, validate=validate.Equal("CNY"))
    posted_on = fields.Date(required=True)


class MemberAdmittedView(ConsumedSchema):
    member_id = fields.String(required=True, validate=validate.Length(min=1, max=200))
    number = fields.String(required=True, validate=validate.Length(min=1, max=40))
    unit_name = fields.String(required=True, validate=validate.Length(min=1, max=200))


class MemberLeftView(ConsumedSchema):
    member_id = fields.String(required=True, validate=validate.Length(min=1, max=200))


class CharterItemView(ConsumedSchema):
    """A funding source or purpose: its code, its name by language, its article."""

    code = fields.String(required=True, validate=validate.Length(min=1, max=60))
    name = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    article = fields.String(load_default=None, allow_none=True)


class CharterAdoptedView(ConsumedSchema):
    version = fields.Integer(required=True, strict=True)
    funding_sources = fields.List(fields.Nested(CharterItemView), required=True)
    purposes = fields.List(fields.Nested(CharterItemView), required=True)


PUBLISHES: Mapping[str, Published] = {
    ACCOUNT_OPENED: Published(AccountOpened, "A member's account was opened in the ledger.", article="18"),
    ACCOUNT_CLOSED: Published(AccountClosed, "A member has left; its account takes settlements only.", article="18"),
    ENTRY_POSTED: Published(EntryPosted, "A balanced entry was posted in the ledger.", article="18"),
}

CONSUMES: Mapping[str, Consumed] = {
    "membership.member.admitted": Consumed(MemberAdmittedView),
    "membership.member.left": Consumed(MemberLeftView),
    "meetings.charter.adopted": Consumed(CharterAdoptedView),
    "membership.signing_key.published": Consumed(KeyPublishedView),
    "membership.signing_key.retired": Consumed(KeyRetiredView),
}
