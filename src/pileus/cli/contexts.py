"""Contexts: named servers with a key, a project and a region, in a file that only its user can read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pileus.cli.commands import CommandError, UsageError
from pileus.cli.suggestions import suggest_text

CONTEXT_VARIABLE = "PILEUS_CONTEXT"
FILE_MODE, DIRECTORY_MODE = 0o600, 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class CloudContext(Struct, frozen=True, kw_only=True):
    """A server, and who uses it."""

    url: str
    key: str
    project: int = 1
    region: int = 1


class ContextFile(Struct, frozen=True, kw_only=True):
    """All contexts by their names, and the name of the one in use."""

    current: str | None = None
    contexts: dict[str, CloudContext] = {}

    def require_context(self, name: str) -> CloudContext:
        """Return a context by its name. Raises UsageError."""
        if name not in self.contexts:
            hint = suggest_text(name, self.contexts) or " `pileus context list` shows those there are."
            raise UsageError(f"There is no context {name}.{hint}")
        return self.contexts[name]

    def with_context(self, name: str, context: CloudContext) -> "ContextFile":
        """Return the contexts with another one, which is in use if it is the first."""
        return ContextFile(current=self.current or name, contexts={**self.contexts, name: context})

    def without_context(self, name: str) -> "ContextFile":
        """Return the contexts without one. If it was in use, none is."""
        contexts = {other: context for other, context in self.contexts.items() if other != name}
        return ContextFile(current=None if self.current == name else self.current, contexts=contexts)

    def with_current(self, name: str) -> "ContextFile":
        """Return the contexts with another one in use."""
        return replace(self, current=name)


def context_path() -> Path:
    """Return the file of the contexts."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if home else Path.home() / ".config") / "pileus" / "contexts.json"


def load_contexts() -> ContextFile:
    """Return the contexts; none if there is no file. Raises CommandError."""
    path = context_path()
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & OTHERS:
                raise CommandError(f"{path} contains keys, and others may read it: chmod 600 {path}")
            return msgspec.json.decode(file.read(), type=ContextFile)
    except (FileNotFoundError, NotADirectoryError):
        return ContextFile()
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is not a file of contexts: {error}") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def save_contexts(contexts: ContextFile) -> None:
    """Replace the file in one step. Raises CommandError."""
    path = context_path()
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(contexts)) + b"\n")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
