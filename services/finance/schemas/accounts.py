"""Schemas of accounts, statements and the trial balance. All money is integer fen."""

from __future__ import annotations

from marshmallow import fields, validate

from services.finance.domain.chart import AccountClass
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, ResponseSchema, Text


class AccountsQuery(CursorQuery):
    account_class = Text(
        max=10,
        load_default=None,
        validate=validate.OneOf([each.value for each in AccountClass]),
        metadata={"description": "only accounts of this element of the chart"},
    )


class AccountView(ResponseSchema):
    account_id = fields.String(required=True)
    chart = fields.String(required=True, metadata={"description": "the chart of accounts the code belongs to"})
    code = fields.String(required=True)
    account_class = fields.String(required=True)
    name = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    article = fields.String(required=True, allow_none=True)
    member_id = fields.String(required=True, allow_none=True)
    currency = fields.String(required=True)
    balance_fen = fields.Integer(required=True, metadata={"description": "debits less credits, in fen"})
    opened_at = Instant(required=True)
    closed_at = Instant(required=True, allow_none=True)


class StatementLineView(ResponseSchema):
    entry_id = fields.String(required=True)
    number = fields.Integer(required=True)
    posted_on = fields.Date(required=True)
    posted_at = Instant(required=True)
    description = fields.String(required=True)
    voucher = fields.String(required=True, allow_none=True)
    amount_fen = fields.Integer(required=True, metadata={"description": "debit positive, credit negative"})
    balance_fen = fields.Integer(required=True, metadata={"description": "balance after this line"})


class TrialBalanceLineView(ResponseSchema):
    account_id = fields.String(required=True)
    code = fields.String(required=True)
    account_class = fields.String(required=True)
    name = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    debit_fen = fields.Integer(required=True)
    credit_fen = fields.Integer(required=True)
    balance_fen = fields.Integer(required=True)


class TrialBalanceView(ResponseSchema):
    currency = fields.String(required=True)
    as_of = Instant(required=True)
    lines = fields.List(fields.Nested(TrialBalanceLineView), required=True)
    debit_fen = fields.Integer(required=True)
    credit_fen = fields.Integer(required=True)
