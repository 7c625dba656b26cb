"""Complete a start when the server answers: apply the seed file, run the start scripts, and report both."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from pileus.client_variables import NoApiKey
from pileus.domain.cells import TENANTS_CELL
from pileus.domain.start_reports import (
    COMPLETE,
    FAILED,
    RUNNING,
    StartReport,
    StartStep,
    StepState,
    make_start_report,
    with_step_state,
)
from pileus.private_files import START_REPORT_FILE, read_key_file
from pileus.server.start_scripts import (
    is_seed_file,
    list_ignored_files,
    list_start_scripts,
    make_script_environment,
    run_start_script,
)
from pileus.server.startup import StartError
from pileus.settings import Settings

if TYPE_CHECKING:
    # It loads the API, which the parent of workers only needs in some starts.
    from pileus.api_keys import ApiKeyAdmin

LOG = logging.getLogger("pileus.server")
KEY_NAME = "start"
SEED_FAILED = "it cannot be applied: the log says why"


def prepare_start_report(settings: Settings) -> None:
    """Report that a start has begun, and check that its scripts can be read. Raises StartError."""
    _save_report(settings, StartReport())
    if settings.start_scripts:
        list_start_scripts(Path(settings.start_scripts))


def read_start_report(settings: Settings) -> StartReport:
    """Return how far the start of the server is that uses the data directory."""
    try:
        return msgspec.json.decode((settings.data / START_REPORT_FILE).read_bytes(), type=StartReport)
    except FileNotFoundError:
        return make_start_report([])


async def complete_start(settings: Settings, address: str) -> StartReport:
    """Apply the seed file, then each file of the start scripts, in order; the server must listen on the address.

    Raises StartError if the seed file of the settings cannot be applied. A failure of a start script is logged and
    reported, and the next one is run.
    """
    start = StartSteps(settings, _local_url(address, settings.port))
    for name in list_ignored_files(Path(settings.start_scripts)) if settings.start_scripts else ():
        LOG.warning("Not a start script: it is not executable", extra={"file": name})
    await start.run()
    return make_start_report(start.steps)


@asynccontextmanager
async def ensure_key_of_start(
    settings: Settings, open_keys: "Callable[[], AbstractAsyncContextManager[ApiKeyAdmin]]"
) -> AsyncIterator[Settings]:
    """Yield the settings with a key for seed files and start scripts.

    If the key of the first start has been deleted, it is that of an operator who exists until they have ended.
    """
    has_steps = bool(settings.seed or settings.start_scripts)
    if not has_steps or settings.api_key or read_key_file(settings.data) or settings.cell != TENANTS_CELL:
        yield settings
        return
    async with open_keys() as keys, keys.lend_operator_key(KEY_NAME) as token:
        yield replace(settings, api_key=token)


class StartSteps:
    """The steps of a start. Their report is a file, because the process that answers for it may be another one."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings, self._url = settings, url
        self._seed = Path(settings.seed) if settings.seed else None
        self._scripts = list_start_scripts(Path(settings.start_scripts)) if settings.start_scripts else []
        self.steps = [StartStep(name=self._seed.name, kind="seed")] if self._seed else []
        self.steps += [
            StartStep(name=file.name, kind="seed" if is_seed_file(file) else "script") for file in self._scripts
        ]

    async def run(self) -> None:
        """Run all steps. Raises StartError if the seed file of the settings cannot be applied."""
        self._save()
        if self._seed:
            self._set_state(0, RUNNING)
            await self._apply_seed(self._seed)
            self._set_state(0, COMPLETE)
        for index, file in enumerate(self._scripts, start=1 if self._seed else 0):
            self._set_state(index, RUNNING)
            error = await (self._try_seed(file) if is_seed_file(file) else self._run_script(file))
            self._set_state(index, FAILED if error else COMPLETE, error)

    async def _apply_seed(self, file: Path) -> None:
        from pileus.seeds import apply_seed_file  # noqa: PLC0415  # the parent of workers loads the API only if needed

        await apply_seed_file(file, self._settings, self._url)

    async def _try_seed(self, file: Path) -> str:
        """Apply a seed file; return why it has failed, without its contents, or an empty text."""
        try:
            await self._apply_seed(file)
        except StartError as problem:
            LOG.error("A seed file cannot be applied", extra={"why": str(problem)})  # noqa: TRY400  # one line says all
            return SEED_FAILED
        return ""

    async def _run_script(self, file: Path) -> str:
        try:
            environment = make_script_environment(self._settings, self._url)
        except NoApiKey as problem:
            raise StartError(f"{file}: {problem}") from problem
        return await run_start_script(file, environment)

    def _set_state(self, index: int, state: StepState, error: str = "") -> None:
        self.steps = with_step_state(self.steps, index, state, error)
        self._save()

    def _save(self) -> None:
        _save_report(self._settings, make_start_report(self.steps))


def _save_report(settings: Settings, report: StartReport) -> None:
    """Replace the report; readers see the former one or this one."""
    path = settings.data / START_REPORT_FILE
    new_path = path.with_suffix(".new")
    new_path.write_bytes(msgspec.json.encode(report))
    new_path.replace(path)


def _local_url(address: str, port: int) -> str:
    """Return the URL at which programs of this machine reach the server, whatever stands in front of it."""
    if ip_address(address).is_unspecified:
        address = "::1" if ":" in address else "127.0.0.1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
