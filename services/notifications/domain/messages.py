"""What leaves the house: an e-mail's bytes and a webhook's body, made from an archived event.

Every header's value is one clean line, so no event can smuggle in a header; text is UTF-8 inside and ASCII on the wire.
"""

from __future__ import annotations

import email.policy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.notifications.domain.wording import Catalogue, article_label, one_line, title_of

#: People read times on the alliance's clock; machines get UTC.
READERS_ZONE = ZoneInfo("Asia/Shanghai")
#: Names of ids worth giving to a machine, beside the envelope's: every `…_id` of the data.
ID_SUFFIX = "_id"


@dataclass(frozen=True)
class ArchivedEvent:
    """An event as the archive keeps it."""

    event_id: str
    type: str
    source: str
    subject: str
    sequence: int
    correlation_id: str
    causation_id: str | None
    article: str | None
    time: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Sender:
    """Who sends the alliance's e-mails, and where the platform is to be found."""

    address: str
    public_url: str

    @property
    def domain(self) -> str:
        """The part behind the @; our name in Message-IDs and to mail servers."""
        return self.address.rpartition("@")[2] or "localhost"


def compose_email(
    texts: Catalogue,
    sender: Sender,
    event: ArchivedEvent,
    *,
    delivery_id: str,
    recipient: str,
    language: str,
    at: datetime,
) -> bytes:
    """A complete message with CRLF line ends. The same delivery has the same Message-ID however often it is sent."""
    title = title_of(texts, language, event.type, event.data)
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = Address(texts.render("mail.from", language), addr_spec=sender.address)
    message["To"] = Address(addr_spec=recipient)
    # Taken apart: the email package would decode an encoded word out of somebody's name, line ends and all.
    message["Subject"] = one_line(texts.render("mail.subject", language, title=title)).replace("=?", "= ?")
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{delivery_id}@{sender.domain}>"
    # RFC 3834: nobody's holiday notice should answer this.
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = language
    message["X-Lianmeng-Event-Id"] = one_line(event.event_id)
    message["X-Lianmeng-Event-Type"] = one_line(event.type)
    text = texts.render(
        "mail.body",
        language,
        title=title,
        at=event.time.astimezone(READERS_ZONE).strftime("%Y-%m-%d %H:%M:%S"),
        article=article_label(texts, language, event.article) or "—",
        timeline=f"{sender.public_url.rstrip('/')}/api/notifications/v1/timelines/{event.correlation_id}",
    )
    # Base64 keeps every line short and ASCII: no mail server on the way needs 8BITMIME to leave it alone.
    message.set_content(text, charset="utf-8", cte="base64")
    return message.as_bytes()


def compose_webhook(event: ArchivedEvent) -> str:
    """The body of Standard Webhooks: type, timestamp, data. Thin: ids, with which the receiver asks the API for more."""
    ids = {name: value for name, value in event.data.items() if name.endswith(ID_SUFFIX) and isinstance(value, str)}
    data = {
        **ids,
        "event_id": event.event_id,
        "source": event.source,
        "subject": event.subject,
        "sequence": event.sequence,
        "correlation_id": event.correlation_id,
        "article": event.article,
    }
    timestamp = event.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {"type": event.type, "timestamp": timestamp, "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
