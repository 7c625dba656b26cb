"""The examples of docs/cli.md run as one script, on a server that they find by themselves."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.servers import run_server

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/cli.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_guide_run(tmp_path: Path) -> None:
    script = 'pileus() { "$PYTHON" -m pileus "$@"; }\n' + "".join(BLOCK.findall(GUIDE.read_text("utf-8")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GCORE_", "PILEUS_"))}
    (tmp_path / "runtime").mkdir(mode=0o700)
    own = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": "",
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PYTHON": sys.executable,
    }

    with run_server(tmp_path / "data", PILEUS_API_KEY="", XDG_RUNTIME_DIR=own["XDG_RUNTIME_DIR"]):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment | own,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert '"name": "warehouse-2"' in done.stdout.replace('":"', '": "')


def test_every_exit_code_of_the_program_is_documented() -> None:
    text = GUIDE.read_text("utf-8")
    codes = {code for row in re.findall(r"^\| ([0-9, ]+) \|", text, re.MULTILINE) for code in row.split(", ")}

    assert codes == {"0", "1", "2", "4", "5", "130"}
