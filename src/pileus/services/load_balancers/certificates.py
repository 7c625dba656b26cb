"""The secrets that parts of load balancers refer to."""

from collections.abc import Sequence

from pileus.domain.context import Context
from pileus.domain.errors import not_found
from pileus.store.database import Tx


async def check_secrets(tx: Tx, ctx: Context, secret_ids: Sequence[str | None]) -> None:  # noqa: ARG001  # no secrets
    """Raise NotFound if a secret does not exist."""
    for secret_id in secret_ids:
        if secret_id is not None:
            raise not_found("Secret", secret_id)
