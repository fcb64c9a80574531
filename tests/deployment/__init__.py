"""Running alliances for tests: embedded, distributed over processes, or somebody else's behind a gateway.

They start, stop, kill and look at processes; what the alliance does is for the journeys to say.
"""

from tests.deployment.addresses import PASSWORD, SERVICES, Deployment, Sinks
from tests.deployment.distributed import Distributed
from tests.deployment.embedded import Embedded
from tests.deployment.gateway import Gateway

__all__ = ["PASSWORD", "SERVICES", "Deployment", "Distributed", "Embedded", "Gateway", "Sinks"]
