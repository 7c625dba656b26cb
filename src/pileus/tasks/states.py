"""Save the state of the whole cloud in a file, and load it, while servers run."""

import asyncio
import logging
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import Invalid
from pileus.domain.places import Caller
from pileus.services import resets as reset_service
from pileus.services.resets import SaveContents
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.store.staged_states import read_staged, stage_state
from pileus.store.state_files import write_state
from pileus.tasks.resets import CloudResets

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class CloudStates:
    """Saves and loads the state of the cloud."""

    db: Database
    catalogue: Catalogue
    resets: CloudResets
    save_configured_contents: SaveContents

    async def save(self, *, plain_secrets: bool = False) -> IO[bytes]:
        """Save the state in a temporary file, and return it at its beginning; it is gone when the caller closes it."""
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="pileus-state-"))
            await write_state(self.db, file, plain_secrets=plain_secrets)
            file.seek(0)
            stack.pop_all()
        return file

    async def load(self, source: IO[bytes], caller: Caller) -> None:
        """Replace all contents of the cloud by those of a file: all or, if anything is wrong, nothing.

        Raises Invalid or Conflict.
        """
        with tempfile.TemporaryDirectory(prefix="pileus-state-") as name:
            directory = Path(name)
            await asyncio.to_thread(stage_state, source, directory, self.db.secrets.file)

            async def write(tx: Tx) -> None:
                await reset_service.replace_by_state(tx, caller, read_staged(directory), self.save_configured_contents)
                await self._check_places(tx)

            await self.resets.replace_contents(write)
        LOG.info("The state of the cloud was loaded", extra={"user_id": caller.user_id})

    async def _check_places(self, tx: Tx) -> None:
        """Check that the catalogue has what instances refer to. Raises Invalid."""
        regions = {region.id for region in self.catalogue.regions}
        for flavor_id, region_id in await instances.list_used_flavors(tx):
            if region_id not in regions or self.catalogue.flavor(flavor_id) is None:
                missing = f"flavor {flavor_id}" if region_id in regions else f"region {region_id}"
                raise Invalid(
                    f"The catalogue of this server has no {missing}, which the file needs: start the server"
                    " with the catalogue of the other one (--catalogue)"
                )
