"""`pileus instances ssh`: the program that it runs for a real machine. A web server has the place of the cloud."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

INSTANCE = "8bb3fa81-c578-4c00-9785-0000580b18e5"
ANSWERS = {
    f"/_pileus/instances/1/1/{INSTANCE}/port_forwards": [
        {"protocol": "tcp", "port": 80, "host_address": "127.0.0.1", "host_port": 20001},
        {"protocol": "tcp", "port": 22, "host_address": "127.0.0.1", "host_port": 20002},
    ],
    f"/cloud/v1/instances/1/1/{INSTANCE}": {"tags": [{"key": "os_distro", "value": "debian"}]},
}


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server that knows one instance with a port forward."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ANSWERS[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Answers) as http_server:
        threading.Thread(target=http_server.serve_forever).start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory with a program `ssh` that prints its arguments and exits with 7."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
    ssh.chmod(0o755)
    return tmp_path


def run_ssh(url: str, path: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pileus", "instances", "ssh", INSTANCE, "--url", url, "--key", "1_k", *arguments]
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_ssh_runs_a_command_in_an_instance(url: str, program: Path) -> None:
    ended = run_ssh(url, program, "-i", "key file", "--", "uname", "-a")

    words = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (7, "")
    assert words[:4] == ["-p", "20002", "-i", "key file"]
    assert words[-3:] == ["debian@127.0.0.1", "uname", "-a"]


def test_ssh_prints_the_command(url: str, program: Path) -> None:
    printed = run_ssh(url, program, "--print", "--user", "root")

    assert printed.stdout.startswith("ssh -p 20002 -o ")
    assert printed.stdout.endswith(" root@127.0.0.1\n")


def test_ssh_that_is_not_installed_is_one_line(url: str, tmp_path: Path) -> None:
    refused = run_ssh(url, tmp_path)

    assert (refused.returncode, refused.stderr) == (1, "pileus: ssh is not installed; --print shows the command\n")
