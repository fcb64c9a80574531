"""How tests come by a real PostgreSQL and a real RabbitMQ.

In this order: containers where a Docker engine answers; private instances of locally installed server programs; on
Debian and Ubuntu as root the programs are installed first; else the tests that need them are skipped loudly, and
under CI=true they fail. `LIANMENG_TEST_SERVERS` picks one way: `containers`, `local` or `auto`.

A server obtained here belongs to the test session alone. Nothing in this package touches an instance that was
already running on the machine, and nothing it starts outlives the session.
"""

from tests.servers.broker import Broker, VirtualHost
from tests.servers.obtaining import ServerMissing, obtain_broker, obtain_postgresql
from tests.servers.postgresql import PostgreSQL

__all__ = ["Broker", "PostgreSQL", "ServerMissing", "VirtualHost", "obtain_broker", "obtain_postgresql"]
