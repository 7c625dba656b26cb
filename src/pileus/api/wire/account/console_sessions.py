"""Sessions of the web console."""

from typing import Annotated

from msgspec import Meta, Struct

MAX_TICKET = 600


class StartConsoleSession(Struct):
    """The body that signs in with a ticket."""

    ticket: Annotated[str, Meta(min_length=1, max_length=MAX_TICKET)]


class ConsoleSessionView(Struct, frozen=True, kw_only=True):
    """A session: its token, which authenticates requests as API keys do, and when it ends."""

    token: str
    expires_at: str


class ConsoleCallerView(Struct, frozen=True, kw_only=True):
    """Who has signed in, and what they may do: the console disables the rest, with a reason.

    `control_obstacle` is the reason why nobody may control the cloud; empty if operators may. Faults can be injected if
    a region `is_simulated`. `time` is that of the cloud's clock.
    """

    email: str
    role: str
    client_id: int
    version: str
    may_write: bool
    may_administer: bool
    may_operate: bool
    control_obstacle: str
    is_simulated: bool
    time: str
