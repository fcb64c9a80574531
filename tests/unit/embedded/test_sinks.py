"""The demo's receivers: a message and a webhook arrive as they were sent, and a forged webhook is told apart."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage

import httpx
from standardwebhooks.webhooks import Webhook

from deploy.embedded.sinks import MailSink, WebhookSink

SECRET = "whsec_bGlhbm1lbmctbGlhbm1lbmctbGlhbm1lbmctMzI="


def test_a_message_arrives_as_it_was_sent() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@alliance.example", "b@alliance.example", "入会通知"
    message.set_content("第一行\n.一行以点开头\n..\n末行\n")

    with MailSink() as sink:
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            client.send_message(message)
        received = sink.messages()

    assert [str(each["Subject"]) for each in received] == ["入会通知"]
    assert received[0].get_content().splitlines() == ["第一行", ".一行以点开头", "..", "末行"]


def test_a_signed_webhook_is_genuine_and_a_changed_one_is_not() -> None:
    body = b'{"type":"membership.member.admitted"}'
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt-1", now, body.decode()),
    }

    with WebhookSink() as sink, httpx.Client() as http:
        genuine = http.post(sink.url, content=body, headers=headers)
        http.post(sink.url, content=body.replace(b"admitted", b"expelled"), headers=headers)
        http.post(sink.url, content=body)
        received = sink.hooks()

    assert genuine.status_code == 204
    assert [hook.is_genuine(SECRET) for hook in received] == [True, False, False]
