"""Entries over HTTP: the treasurer posts, the staff reads."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from services.finance.commands.entries import post_entry
from services.finance.queries import entries as entry_queries
from services.finance.schemas.entries import EntriesQuery, EntryRequest, EntryView
from shared.web.access import access
from shared.web.blueprint import Blueprint
from shared.web.context import caller, current_work, reading
from shared.web.idempotency import idempotent
from shared.web.pagination import page, page_schema

blueprint = Blueprint("entries", __name__, url_prefix="/entries", description="Double entry: what was posted, for good")


@blueprint.route("")
class Entries(MethodView):
    @access(roles={"treasurer", "secretariat"})
    @blueprint.arguments(EntriesQuery, location="query")
    @blueprint.response(200, page_schema(EntryView))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Entries with their postings, newest first."""
        limit = query["limit"]
        with reading() as look:
            rows = entry_queries.list_entries(
                look, limit=limit, position=query["cursor"], account_id=query["account_id"]
            )
        return page(rows, limit, key=lambda row: (row["number"],))

    @access(roles={"treasurer"})
    @idempotent
    @blueprint.arguments(EntryRequest)
    @blueprint.response(201, EntryView)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Post a balanced entry. It stands for good; a mistake is countered by another entry."""
        work = current_work()
        entry_id = post_entry(work, posted_by=caller().subject or "", **body)
        return entry_queries.get_entry(work, entry_id)


@blueprint.route("/<string:entry_id>")
class Entry(MethodView):
    @access(roles={"treasurer", "secretariat"})
    @blueprint.response(200, EntryView)
    def get(self, entry_id: str) -> dict[str, Any]:
        """One entry."""
        with reading() as look:
            return entry_queries.get_entry(look, entry_id)
