"""`rebuild`: make one service's projections anew from the feeds of all services in a folder, with nobody in it.

The feeds are read from the files beside it; what is done with them is the same as over the network.
"""

from __future__ import annotations

import argparse

from deploy.embedded.alliance import SERVICES
from deploy.embedded.data_folder import DataFolder
from shared.errors import Conflict
from shared.runtime.assembly import assemble, load_service
from shared.runtime.feeds import FeedAtHand
from shared.runtime.settings import Settings
from shared.web.feed_commands import rebuild_and_tell


def run(options: argparse.Namespace) -> int:
    """Exit status 0: nothing differs, or it was mended; 1: something differs. Conflict: no alliance, or somebody in it."""
    if not (options.data / f"{options.service}.sqlite").exists():
        raise Conflict("embedded.no_alliance", folder=str(options.data))
    with DataFolder(options.data) as folder:
        # Nothing but the files matters here: no setting of the environment is needed, and no secret.
        settings = [Settings(service=name, profile="demo", database_url=folder.database_url(name)) for name in SERVICES]
        assemblies = {each.service: assemble(load_service(each.service), each) for each in settings}
        try:
            for assembly in assemblies.values():
                assembly.migrate()
            feeds = [FeedAtHand(assembly) for assembly in assemblies.values()]
            return rebuild_and_tell(assemblies[options.service], feeds, options)
        finally:
            for assembly in assemblies.values():
                assembly.close()
