"""Recorded requests of clients that use load balancers, secrets and file shares, and how to send them again.

They were recorded against Pileus itself. So they show that the requests of these clients are still accepted, with
statuses of the recorded kind, and not what other servers answer. Each line of a trace is a request. `captures` are
the values that later requests need, as JSON pointers into the answer. A request of a task with a `state` is sent
until the task has ended. Certificates and keys are made anew.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.certificates import make_certificate

FAMILY_TRACES = Path(__file__).resolve().parents[1] / "traces"
FAMILY_NAMES = sorted(path.name for path in FAMILY_TRACES.glob("*.jsonl"))
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
TASK_SECONDS = 30.0
Step = dict[str, Any]
SendRequest = Callable[[str, str, Any], tuple[int, str]]


def load_family_trace(name: str) -> list[Step]:
    """Read the requests of one client."""
    return [json.loads(line) for line in (FAMILY_TRACES / name).read_text("utf-8").splitlines()]


def send_again(steps: list[Step], send: SendRequest) -> int:
    """Send recorded requests, and return how many were sent. Raises AssertionError if an answer differs."""
    certificate = make_certificate()
    values = {
        "pem_certificate": certificate.text,
        "pem_private_key": certificate.private_key,
        "pkcs12": base64.b64encode(certificate.pkcs12).decode(),
    }
    for number, step in enumerate(steps, 1):
        method, path, body = step["method"], with_values(step["path"], values), with_values(step.get("body"), values)
        status, text = send(method, path, body)
        if "state" in step:
            status, text = _wait_for_task(send, path, status, text)
        answer: Any = json.loads(text) if text else None
        seen = {"status": status} | ({"state": answer.get("state")} if "state" in step else {})
        expected = {key: step[key] for key in ("status", "state") if key in step}
        assert seen == expected, f"request {number}: {method} {path} {json.dumps(body)}: {text}"
        values |= {value: find_value(answer, pointer) for value, pointer in step.get("captures", {}).items()}
    return len(steps)


def with_values(template: Any, values: Mapping[str, str]) -> Any:
    """Return JSON with captured values in place of their names."""
    if isinstance(template, dict):
        return {key: with_values(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [with_values(item, values) for item in template]
    if isinstance(template, str):
        return PLACEHOLDER.sub(lambda match: values[match[1]], template)
    return template


def find_value(answer: Any, pointer: str) -> str:
    """Return the text at a JSON pointer; a part `name=…` is the item of a list with that name."""
    for part in pointer.split("/")[1:]:
        if isinstance(answer, list) and part.startswith("name="):
            answer = next(item for item in answer if item["name"] == part.removeprefix("name="))
        else:
            answer = answer[int(part) if isinstance(answer, list) else part]
    assert isinstance(answer, str)
    return answer


def _wait_for_task(send: SendRequest, path: str, status: int, text: str) -> tuple[int, str]:
    deadline = time.monotonic() + TASK_SECONDS
    while status == 200 and json.loads(text)["state"] not in {"FINISHED", "ERROR"} and time.monotonic() < deadline:
        status, text = send("GET", path, None)
    return status, text
