"""A client of a cloud, the official one; whatever goes wrong is a line that says what to do next."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import httpx

from pileus.cli.clouds import KEY_REFUSED, NO_PILEUS, URL, check_key, nothing_answers
from pileus.cli.formatting import Failure, Mistake

MISSING = "this needs the official SDK of the Gcore API: pip install 'pileus[sdk]'"


class Session:
    """The official client, told where the cloud is and who asks; what is not given it takes from the environment."""

    def __init__(self, url: str | None, key: str | None, project: int | None, region: int | None) -> None:
        self.url = (url or URL).rstrip("/")
        token = check_key(key)
        self._sdk = sdk()
        self.client = self._sdk.Gcore(
            api_key=token, base_url=self.url, cloud_project_id=project, cloud_region_id=region, max_retries=1
        )

    def call(self, path: str, **arguments: Any) -> Any:
        """Call a method of the client's cloud, such as `instances.list`; raises Failure or Mistake."""
        return self.guarded(lambda: attrgetter(path)(self.client.cloud)(**arguments))

    def raw(self, path: str) -> Any:
        """The answer at a path that the client has no method for; raises Failure."""
        return self.guarded(lambda: self.client.get(path, cast_to=httpx.Response))

    def guarded(self, work: Callable[[], Any]) -> Any:
        """Do something with the client; raises Failure or Mistake."""
        try:
            return work()
        except self._sdk.APIConnectionError as problem:
            raise Failure(nothing_answers(self.url, f" ({problem.__cause__ or problem})")) from None
        except self._sdk.AuthenticationError:
            raise Failure(KEY_REFUSED) from None
        except self._sdk.APIStatusError as problem:
            raise Failure(_told(problem)) from None
        except AttributeError:
            raise Failure(f"{self.url} answers, but not in the API's words: {NO_PILEUS}") from None
        except (TypeError, ValueError) as problem:
            # So the client says which of its parameters go together.
            raise Mistake(" ".join(str(problem).split())) from None

    def every(self, path: str, **arguments: Any) -> list[Any]:
        """All things of a list, page after page."""
        return self.things(self.call(path, **arguments))

    def things(self, answer: Any) -> list[Any]:
        """All that a list holds: a page goes on to those that follow, a list without pages has all in its results."""
        pages = hasattr(answer, "iter_pages")
        return list(self.guarded(lambda: list(answer if pages else answer.results)))


def sdk(missing: str = MISSING) -> Any:
    """The official SDK; raises Failure, which says what is `missing`, where it is not installed."""
    try:
        import gcore  # noqa: PLC0415  # an extra: that it is missing is told in one line
    except ImportError:
        raise Failure(missing) from None
    return gcore


def _told(problem: Any) -> str:
    """The answer's own words, with the fields that are wrong."""
    body = problem.body if isinstance(problem.body, dict) else {}
    fields = body.get("invalid_fields")
    if isinstance(fields, dict) and fields:
        return "; ".join(f"{name}: {', '.join(map(str, _several(texts)))}" for name, texts in fields.items())
    return str(body.get("message") or f"answered {problem.status_code}; {NO_PILEUS}")


def _several(texts: Any) -> list[Any]:
    return texts if isinstance(texts, list) else [texts]
