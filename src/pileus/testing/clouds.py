"""A simulated cloud in this process, with projects for tests."""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from msgspec import Struct

from pileus.client_variables import client_variables_of_project, default_region
from pileus.initial_data import CLIENT, PROJECT
from pileus.install_hints import install_command
from pileus.server.http_server import listen
from pileus.settings import Settings, check_setting_name, load
from pileus.testing.cloud_clocks import CloudClockControl
from pileus.testing.cloud_requests import CloudRequests
from pileus.testing.faults import CloudFaults
from pileus.testing.injected_faults import send_control_request
from pileus.testing.network_guards import GUARD
from pileus.testing.server_threads import serve_in_thread

HOST = "127.0.0.1"


class CloudProject(Struct, frozen=True, kw_only=True):
    """A project of a tenant of its own, and a key of an administrator of that tenant."""

    base_url: str
    api_key: str
    tenant_id: int
    project_id: int
    region_id: int
    environment: dict[str, str]
    """The variables of the official clients."""

    def make_client(self, **options: Any) -> Any:
        """Create the official client, `gcore.Gcore`; `options` override its arguments.

        It raises an error for an answer that does not fit its types.
        """
        return _import_sdk().Gcore(**{**self._client_options(), **options})

    def make_async_client(self, **options: Any) -> Any:
        """Create the official asynchronous client, `gcore.AsyncGcore`; `options` override its arguments."""
        # No connection outlives its request, so that nothing is left open in an event loop that ends.
        limits = httpx.Limits(max_keepalive_connections=0)
        http_client = httpx.AsyncClient(limits=limits, timeout=60)
        return _import_sdk().AsyncGcore(**{**self._client_options(), "http_client": http_client, **options})

    def _client_options(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "api_key": self.api_key,
            "cloud_project_id": self.project_id,
            "cloud_region_id": self.region_id,
            "max_retries": 0,
            "_strict_response_validation": True,
        }


class Cloud:
    """A running simulated cloud. `operator` is an HTTP client with an operator's key, `project` the first project."""

    def __init__(self, settings: Settings, operator: httpx.Client) -> None:
        self.base_url = settings.base_url
        self.operator = operator
        self.faults = CloudFaults(operator)
        self.clock = CloudClockControl(operator)
        self.requests = CloudRequests(operator)
        self._region_id = default_region(settings)
        self.project = self._make_project(settings.api_key, CLIENT, PROJECT)

    def create_project(self, name: str = "test") -> CloudProject:
        """Create a tenant with a project and a key: it sees nothing of other projects and has quotas of its own."""
        tenant_id = self._post("/_pileus/tenants", name=name)["id"]
        key = self._post(f"/_pileus/tenants/{tenant_id}/keys", name=name, role="Administrators")["token"]
        answer = self.operator.get("/cloud/v1/projects", headers={"Authorization": f"APIKey {key}"})
        return self._make_project(key, tenant_id, answer.raise_for_status().json()["results"][0]["id"])

    def reset(self, project: CloudProject | None = None) -> None:
        """Let the cloud be as it was when it started: all but the first project is gone, which is empty.

        With a project, only its tenant is reset, which keeps the project and its key.
        """
        parameters = {"client_id": project.tenant_id} if project else {}
        send_control_request(self.operator, "POST", "/_pileus/reset", params=parameters)

    def _post(self, path: str, **body: Any) -> Any:
        return send_control_request(self.operator, "POST", path, json=body)

    def _make_project(self, key: str, tenant_id: int, project_id: int) -> CloudProject:
        return CloudProject(
            base_url=self.base_url,
            api_key=key,
            tenant_id=tenant_id,
            project_id=project_id,
            region_id=self._region_id,
            environment=client_variables_of_project(self.base_url, key, project_id, self._region_id),
        )


@contextmanager
def run_test_cloud(**given: Any) -> Iterator[Cloud]:
    """Run a cloud on a free port with a temporary directory; see `pileus.testing.cloud`."""
    with listen(HOST, 0) as listener, tempfile.TemporaryDirectory(prefix="pileus-") as directory:
        settings = _load_settings(given, directory, listener)
        with serve_in_thread(settings, listener), _connect_operator(settings) as operator, GUARD.refuse():
            cloud = Cloud(settings, operator)
            with patch.dict(os.environ, cloud.project.environment):
                yield cloud


def _import_sdk() -> Any:
    try:
        import gcore  # noqa: PLC0415  # an optional dependency
    except ImportError as error:
        text = f"a client of Pileus needs the official SDK of the Gcore API: {install_command('pytest')}"
        raise ModuleNotFoundError(text, name="gcore") from error
    return gcore


def _load_settings(given: dict[str, Any], directory: str, listener: socket.socket) -> Settings:
    for name in given:
        check_setting_name(name, "cloud()")
    defaults = {"log_level": "error", "api_key": f"1_{secrets.token_urlsafe(24)}", "subscribers": "any"}
    place = {"data": directory, "host": HOST, "port": listener.getsockname()[1]}
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    return load({**defaults, **texts, **place}, {})


def _connect_operator(settings: Settings) -> httpx.Client:
    headers = {"Authorization": f"APIKey {settings.api_key}"}
    return httpx.Client(base_url=settings.base_url, headers=headers, timeout=60, trust_env=False)
