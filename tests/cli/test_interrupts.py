"""Ctrl-C ends a command in one line at any time, also while its modules are imported."""

import subprocess
import sys

import pytest

INTERRUPT_IMPORT = """
import os, runpy, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # A parent may ignore it.

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
sys.argv = ["pileus", "instances", "--help"]
{start}
print("not interrupted")
"""
STARTS = {
    "console script": "from pileus.__main__ import main; main()",
    "module": "runpy.run_module('pileus', run_name='__main__', alter_sys=True)",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "module", ["click", "msgspec", "pileus.settings", "pileus.cli.main", "pileus.cli.resource_groups"]
)
def test_an_interrupted_import_is_one_line(module: str, start: str) -> None:
    program = INTERRUPT_IMPORT.format(module=module, start=STARTS[start])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "\npileus: interrupted\n")
