"""Schemas of entries. Amounts are JSON integers of fen: no text, no fraction, no true or false."""

from __future__ import annotations

from marshmallow import fields, validate

from services.finance.domain.entries import AMOUNT_FEN_MAX, POSTINGS_MAX
from services.finance.domain.member_payments import PaymentKind
from shared.web.pagination import CursorQuery
from shared.web.schemas import Instant, RequestSchema, ResponseSchema, Text, WholeNumber


class PostingRequest(RequestSchema):
    account_id = Text(max=36, required=True)
    amount_fen = WholeNumber(
        minimum=-AMOUNT_FEN_MAX,
        maximum=AMOUNT_FEN_MAX,
        required=True,
        metadata={"description": "fen; debit positive, credit negative"},
    )


class MemberPaymentRequest(RequestSchema):
    kind = Text(max=20, required=True, validate=validate.OneOf([each.value for each in PaymentKind]))
    voucher = Text(max=100, required=True, metadata={"description": "the voucher, contract or receipt behind it"})


class EntryRequest(RequestSchema):
    posted_on = fields.Date(format="iso", required=True)
    currency = Text(max=3, required=True, metadata={"description": "CNY"})
    description = Text(max=500, required=True)
    voucher = Text(max=100, load_default=None)
    postings = fields.List(fields.Nested(PostingRequest), required=True, validate=validate.Length(max=POSTINGS_MAX))
    member_payment = fields.Nested(
        MemberPaymentRequest,
        load_default=None,
        allow_none=True,
        metadata={"description": "why money goes to a member; Art. 18 allows no other reason"},
    )


class EntriesQuery(CursorQuery):
    account_id = Text(max=36, load_default=None)


class PostingView(ResponseSchema):
    account_id = fields.String(required=True)
    code = fields.String(required=True)
    amount_fen = fields.Integer(required=True)


class MemberPaymentView(ResponseSchema):
    kind = fields.String(required=True)
    voucher = fields.String(required=True)


class EntryView(ResponseSchema):
    entry_id = fields.String(required=True)
    number = fields.Integer(required=True, metadata={"description": "place in the ledger, from 1, without gaps"})
    posted_on = fields.Date(required=True)
    currency = fields.String(required=True)
    description = fields.String(required=True)
    voucher = fields.String(required=True, allow_none=True)
    total_fen = fields.Integer(required=True)
    postings = fields.List(fields.Nested(PostingView), required=True)
    member_payment = fields.Nested(MemberPaymentView, required=True, allow_none=True)
    posted_by = fields.String(required=True)
    posted_at = Instant(required=True)
