"""How to install an extra of this package, by where the package itself came from."""

import json
import re
import shlex
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit


def install_command(extra: str) -> str:
    """Return the command that installs an extra into this environment.

    It names the checkout or the wheel that Pileus was installed from. If that is gone, it names the requirements of
    the extra. It never names Pileus as a package of an index, which may not have it.
    """
    return f"{_installer()} {shlex.join(_arguments(extra))}"


def _arguments(extra: str) -> list[str]:
    try:
        package = distribution("pileus")
    except PackageNotFoundError:
        return [f"PATH[{extra}]"]
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    path = unquote(urlsplit(origin.get("url", "")).path)
    if not path or not Path(path).exists():
        return list_requirements(package, extra)
    is_editable = origin.get("dir_info", {}).get("editable", False)
    return [*(["-e"] if is_editable else []), f"{path}[{extra}]"]


def list_requirements(package: Distribution, extra: str) -> list[str]:
    """Return what an extra adds to a package."""
    marker = re.compile(rf"\bextra == ['\"]{re.escape(extra)}['\"]")
    parts = [requirement.partition(";") for requirement in package.requires or ()]
    return [requirement.strip() for requirement, _, condition in parts if marker.search(condition)]


def _installer() -> str:
    """Return an installer of this environment, as short as it may be: `pip` can be that of another one."""
    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return "pip install"
    python = shlex.quote(sys.executable)
    return f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
