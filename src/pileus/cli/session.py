"""A session with a cloud through the official client. Each error becomes one line with the next step."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import httpx

from pileus.cli.clouds import KEY_REFUSED, NOT_PILEUS_HINT, URL, connection_error_text, require_api_key
from pileus.cli.commands import CommandError, UsageError
from pileus.install_hints import install_command


class SdkSession:
    """The official client with an address and a key. It reads what is None from the environment."""

    def __init__(self, url: str | None, key: str | None, project: int | None, region: int | None) -> None:
        self.url = (url or URL).rstrip("/")
        token = require_api_key(key)
        self._sdk = import_sdk()
        self.client = self._sdk.Gcore(
            api_key=token, base_url=self.url, cloud_project_id=project, cloud_region_id=region, max_retries=1
        )

    def call_method(self, path: str, **arguments: Any) -> Any:
        """Call a method of the client's cloud, such as `instances.list`. Raises CommandError or UsageError."""
        return self.run_translating_errors(lambda: attrgetter(path)(self.client.cloud)(**arguments))

    def get_raw_response(self, path: str) -> Any:
        """Return the response of a path that the client has no method for. Raises CommandError."""
        return self.run_translating_errors(lambda: self.client.get(path, cast_to=httpx.Response))

    def run_translating_errors(self, action: Callable[[], Any]) -> Any:
        """Run an action of the client and translate its errors. Raises CommandError or UsageError."""
        try:
            return action()
        except self._sdk.APIConnectionError as error:
            raise CommandError(connection_error_text(self.url, f" ({error.__cause__ or error})")) from None
        except self._sdk.AuthenticationError:
            raise CommandError(KEY_REFUSED) from None
        except self._sdk.APIStatusError as error:
            raise CommandError(_error_text(error)) from None
        except AttributeError:
            raise CommandError(f"{self.url} answers, but not with the API's format: {NOT_PILEUS_HINT}") from None
        except (TypeError, ValueError) as error:
            # The client raises these for wrong combinations of parameters.
            raise UsageError(" ".join(str(error).split())) from None

    def list_all(self, path: str, **arguments: Any) -> list[Any]:
        """Call a list method and return the resources of all pages."""
        return self.results_of_all_pages(self.call_method(path, **arguments))

    def results_of_all_pages(self, response: Any) -> list[Any]:
        """Return the resources of a response, of all pages if it has pages."""
        has_pages = hasattr(response, "iter_pages")
        return list(self.run_translating_errors(lambda: list(response if has_pages else response.results)))


def import_sdk() -> Any:
    """Import the official SDK. Raises CommandError with the command that installs it."""
    try:
        import gcore  # noqa: PLC0415  # an optional dependency
    except ImportError:
        raise CommandError(f"this needs the official SDK of the Gcore API: {install_command('sdk')}") from None
    return gcore


def _error_text(error: Any) -> str:
    """Return the message of an error response, with the invalid fields."""
    body = error.body if isinstance(error.body, dict) else {}
    fields = body.get("invalid_fields")
    if isinstance(fields, dict) and fields:
        return "; ".join(f"{name}: {', '.join(map(str, _as_list(texts)))}" for name, texts in fields.items())
    return str(body.get("message") or f"answered {error.status_code}; {NOT_PILEUS_HINT}")


def _as_list(texts: Any) -> list[Any]:
    return texts if isinstance(texts, list) else [texts]
