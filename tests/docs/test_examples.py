"""The examples in the README and the guides run against a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _blocks(language: str, prefix: str = "") -> list[Any]:
    blocks: list[Any] = []
    for document in DOCUMENTS:
        for number, (kind, text) in enumerate(BLOCK.findall(document.read_text()), 1):
            if kind == language and text.startswith(prefix):
                blocks.append(pytest.param(text, id=f"{document.name}-{number}"))
    return blocks


def _environment(server: Server) -> dict[str, str]:
    return os.environ | server.environment


@pytest.mark.parametrize("code", _blocks("python"))
def test_a_python_example_runs(code: str, server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(server), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", _blocks("sh", "curl"))
def test_a_curl_example_is_answered(code: str, server: Server) -> None:
    done = subprocess.run(
        ["bash", "-euc", code.replace("curl -s", "curl -sf")],
        env=_environment(server),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"results"' in done.stdout
