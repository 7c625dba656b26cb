"""Reset the whole cloud while servers run."""

import logging
from dataclasses import dataclass

from pileus.domain.places import Caller
from pileus.services import resets as reset_service
from pileus.services.resets import WriteFirstContents
from pileus.store import resets
from pileus.store.database import Tx, Work
from pileus.tasks.controls import Controls
from pileus.tasks.epochs import Epochs

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class CloudResets:
    """Resets of the whole cloud, by this process."""

    controls: Controls
    epochs: Epochs
    write_first_contents: WriteFirstContents

    async def reset(self, caller: Caller) -> None:
        """Reset the cloud; return when no process accepts former keys or serves anything of before."""
        is_shared = self.controls.is_shared

        async def write(tx: Tx) -> None:
            await reset_service.reset_cloud(tx, caller, self.write_first_contents, keep_numbers=is_shared)

        await self.replace_contents(write)
        if is_shared:
            # A late request of another process has named no id that is given out again.
            await self.controls.db.write_alone(resets.restart_numbers)
        LOG.info("The cloud was reset", extra={"user_id": caller.user_id})

    async def replace_contents(self, work: Work[None]) -> None:
        """Run `work`, which replaces all contents, while no other transaction runs, and begin a new epoch.

        Returns when all processes have dropped what they keep in memory.
        """

        async def write(tx: Tx) -> None:
            await work(tx)
            await self.epochs.begin(tx)

        with self.epochs.continue_on_failure():
            await self.controls.change(write, alone=True)
