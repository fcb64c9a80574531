"""An alliance that somebody else runs, reached through its gateway: compose's demo, mostly."""

from __future__ import annotations

from collections.abc import Mapping

from tests.deployment.addresses import SERVICES, Sinks


class Gateway:
    """Knows an address, and nothing of what is behind it."""

    def __init__(self, base_url: str, sinks: Sinks) -> None:
        self.how = f"gateway {base_url}"
        self.sinks = sinks
        self._base_url = base_url.rstrip("/")

    @property
    def urls(self) -> Mapping[str, str]:
        """The gateway, for every service."""
        return dict.fromkeys(SERVICES, self._base_url)

    def logs(self) -> str:
        """They are not ours to read."""
        return "see the logs of the deployment"
