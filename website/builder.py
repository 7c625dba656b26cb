"""Build the site with Sphinx."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from website.site_pages import HOME, stage_pages

INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
POLICY = "content-security-policy.txt"
"""The file with the policy that the server sends with each page."""


class BuildError(Exception):
    """The pages have errors, which Sphinx has printed."""


def build_site(output: Path, *, check_links: bool = False) -> None:
    """Build the site into a folder, whose contents it replaces; warnings are errors. Raises BuildError.

    With `check_links` the links to other sites are requested instead, and the folder gets a report.
    """
    with tempfile.TemporaryDirectory(prefix="pileus-site-") as folder:
        pages, cache, result = (Path(folder) / name for name in ("pages", "cache", "result"))
        stage_pages(pages)
        builder = "linkcheck" if check_links else "html"
        options = ["-q", "-W", "--keep-going", "-b", builder, "-c", str(HOME), "-d", str(cache)]
        command = [sys.executable, "-m", "sphinx", *options, str(pages), str(result)]
        if subprocess.run(command, check=False).returncode:  # noqa: S603  # Sphinx, with our own arguments
            raise BuildError("the site was not built: see the warnings of Sphinx above")
        for name in (".buildinfo", "objects.inv"):
            (result / name).unlink(missing_ok=True)
        if not check_links:
            (result / POLICY).write_text(make_policy(result.rglob("*.html")), "utf-8")
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(result, output)


def make_policy(pages: Iterable[Path]) -> str:
    """Return a Content-Security-Policy that allows only the scripts that the pages contain, and those beside them."""
    scripts = {script for page in pages for script in INLINE_SCRIPT.findall(page.read_bytes())}
    hashes = sorted(base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
