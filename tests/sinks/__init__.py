"""Where deliveries end in tests: a real SMTP server and a real webhook receiver, both on loopback.

They only receive and remember. Whether something arrived, and arrived once, is for the test to say.
"""

from tests.sinks.mail import Mail, MailSink
from tests.sinks.webhook import Hook, WebhookSink

__all__ = ["Hook", "Mail", "MailSink", "WebhookSink"]
