"""One server and one browser for all tests of the web console."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import KEY, Server, run_server

BROWSER = Path(__file__).parents[1] / "browser"


@dataclass(slots=True)
class Browser:
    """A browser that runs the scenarios of tests/browser/scenarios.mjs."""

    process: subprocess.Popen[str]
    patience: float = 150

    def run(self, scenario: str, **arguments: Any) -> Any:
        """Run a scenario and return its result. Raises AssertionError if it fails."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"scenario": scenario, **arguments}) + "\n")
        self.process.stdin.flush()
        # A browser that hangs must not let the tests after it wait as well.
        watchdog = threading.Timer(self.patience, self.process.kill)
        watchdog.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        answer = json.loads(line or '{"error": "the browser has ended"}')
        assert "error" not in answer, answer["error"]
        return answer["result"]


@pytest.fixture(scope="session")
def console_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a simulated cloud."""
    with run_server(tmp_path_factory.mktemp("console") / "data", "--subscribers", "any") as server:
        yield server


@pytest.fixture(scope="session")
def browser(console_server: Server) -> Iterator[Browser]:
    """A browser. The variable CONSOLE_SCREENSHOTS names the folder of the pictures that it takes."""
    if not (shutil.which("chromium") and shutil.which("npm")):
        pytest.skip("needs Chromium and npm: apt-get install chromium npm")
    if not (BROWSER / "node_modules" / "axe-core").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=BROWSER, check=True)
    folder = os.environ.get("CONSOLE_SCREENSHOTS", "")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    command = ["node", str(BROWSER / "scenarios.mjs"), console_server.url, KEY, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Browser(process)
        process.terminate()


@pytest.fixture(scope="session")
def api(console_server: Server) -> Iterator[httpx.Client]:
    """A client of the API with the operator's key."""
    headers = {"Authorization": f"APIKey {KEY}"}
    with httpx.Client(base_url=console_server.url, headers=headers, timeout=30) as client:
        yield client
