"""The feed of a service, read over HTTP as any outside program reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import Unavailable
from shared.messaging import feed
from shared.messaging.envelope import encode
from shared.web.client import ApiClient, ApiRefused


@dataclass(frozen=True)
class RemoteFeed:
    """A source for catching up and rebuilding."""

    service: str
    client: ApiClient

    def page(self, after: int, types: Sequence[str]) -> feed.Page:
        """See `shared.messaging.sources.Source`."""
        try:
            found = self.client.get(
                f"/api/{self.service}/v1/events", after=after, types=",".join(types) or None, limit=feed.LIMIT_MAX
            )
        except ApiRefused as refused:
            reason = str(refused.problem.get("detail") or refused)
            raise Unavailable("feed.not_readable", service=self.service, reason=reason) from refused
        entries = [feed.Entry(item["number"], item["event"]["type"], encode(item["event"])) for item in found["items"]]
        return feed.Page(entries, found["next"], found["head"], 0)
