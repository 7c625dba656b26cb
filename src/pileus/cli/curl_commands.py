"""Requests of the request log as curl commands."""

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pileus.cli.clouds import KEY_VARIABLE, URL_VARIABLE

PATH_CHARACTERS = "/:@!$&'()*+,;=~"
CONTINUED = " \\\n  "


def curl_command(exchange: Mapping[str, Any]) -> str:
    """Return a command that repeats a request, with the address and the key as variables."""
    query = f"?{exchange['query']}" if exchange["query"] else ""
    target = shlex.quote(quote(exchange["path"], safe=PATH_CHARACTERS) + query)
    method = exchange["method"]
    parts = [f'curl {"--head" if method == "HEAD" else f"-X {shlex.quote(method)}"} "${URL_VARIABLE}"{target}']
    parts.append(f'-H "Authorization: APIKey ${KEY_VARIABLE}"')
    if exchange["request_body"]["size"]:
        content = exchange["request_body"]["content"]
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        parts += ["-H 'Content-Type: application/json'", f"--data-raw {shlex.quote(text)}"]
    return CONTINUED.join(parts)
