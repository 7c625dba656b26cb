"""Faults of HTTP, as the official SDK and plain HTTP clients meet them on real connections."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from gcore import APIConnectionError, Gcore, InternalServerError, RateLimitError

import pileus.testing
from pileus.testing.clouds import Cloud, CloudProject
from pileus.testing.http_faults import HttpFaultInjector, InjectedHttpFault, RequestConditions


@pytest.fixture(scope="module")
def running_cloud() -> Iterator[Cloud]:
    with pileus.testing.cloud(instance_cache_checked=True) as running:
        yield running


@pytest.fixture
def cloud(running_cloud: Cloud) -> Iterator[Cloud]:
    """The cloud, without faults after the test."""
    yield running_cloud
    running_cloud.faults.release_all()


@pytest.fixture
def project(cloud: Cloud) -> CloudProject:
    return cloud.create_project()


@pytest.fixture
def client(project: CloudProject) -> Iterator[Gcore]:
    with project.make_client() as official:
        yield official


@pytest.fixture
def http(project: CloudProject) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"APIKey {project.api_key}"}
    with httpx.Client(base_url=project.base_url, headers=headers, trust_env=False) as plain:
        yield plain


def keys_path(project: CloudProject) -> str:
    return f"/cloud/v1/ssh_keys/{project.project_id}"


def wait_for_hits(fault: InjectedHttpFault, hits: int = 1) -> None:
    """Return when the fault has hit so many requests."""
    while fault.hits < hits:
        pass


@pytest.mark.parametrize("query", ["", "?limit=5"], ids=["direct", "framework"])
def test_an_error_answer_has_the_chosen_status_message_and_the_shape_of_all_errors(
    cloud: Cloud, project: CloudProject, http: httpx.Client, query: str
) -> None:
    with cloud.faults.respond("list_ssh_keys", status=502, message="No route to the shelf") as fault:
        answer = http.get(keys_path(project) + query)
        hits = fault.hits

    assert (answer.status_code, hits) == (502, 1)
    assert answer.json() == {
        "exception_class": "BadGateway",
        "message": "No route to the shelf",
        "request_id": answer.headers["x-request-id"],
    }
    assert http.get(keys_path(project) + query).status_code == 200


def test_the_official_client_repeats_a_request_until_the_fault_is_used_up(cloud: Cloud, project: CloudProject) -> None:
    fault = cloud.faults.respond("create_ssh_key", status=503, times=1)

    with project.make_client(max_retries=2) as client:
        client.cloud.ssh_keys.create(name="persistent")

        assert [key.name for key in client.cloud.ssh_keys.list()] == ["persistent"]
    assert (fault.hits, fault.matches) == (1, 1)


def test_the_official_client_waits_as_long_as_a_429_says(cloud: Cloud, project: CloudProject) -> None:
    fault = cloud.faults.respond("list_ssh_keys", status=429, retry_after=1, times=1, message="Slow down")

    with project.make_client(max_retries=1) as client:
        assert list(client.cloud.ssh_keys.list()) == []
    assert fault.hits == 1


def test_a_client_that_does_not_repeat_sees_the_error(cloud: Cloud, client: Gcore) -> None:
    cloud.faults.respond("list_ssh_keys", status=429, retry_after=7, times=1)
    cloud.faults.respond("list_ssh_keys", status=500, times=1)

    with pytest.raises(RateLimitError) as refusal:
        client.cloud.ssh_keys.list()
    with pytest.raises(InternalServerError, match="500 Internal Server Error, by an injected fault"):
        client.cloud.ssh_keys.list()

    assert refusal.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("inject", "created"),
    [
        (HttpFaultInjector.disconnect, []),
        (HttpFaultInjector.truncate, ["uncertain"]),
        (HttpFaultInjector.lose_answer, ["uncertain"]),
    ],
)
def test_a_lost_connection_leaves_the_change_undone_or_done(
    cloud: Cloud, client: Gcore, inject: Callable[..., InjectedHttpFault], created: list[str]
) -> None:
    fault = inject(cloud.faults, "create_ssh_key", times=1)

    with pytest.raises(APIConnectionError):
        client.cloud.ssh_keys.create(name="uncertain")

    assert [key.name for key in client.cloud.ssh_keys.list()] == created
    assert fault.hits == 1


@pytest.mark.parametrize("query", ["", "?limit=5"], ids=["direct", "framework"])
@pytest.mark.parametrize(
    "inject", [HttpFaultInjector.disconnect, HttpFaultInjector.truncate, HttpFaultInjector.lose_answer]
)
def test_a_reader_loses_its_connection_on_both_ways_to_a_handler(
    cloud: Cloud, project: CloudProject, http: httpx.Client, query: str, inject: Callable[..., InjectedHttpFault]
) -> None:
    inject(cloud.faults, "list_ssh_keys", times=1)

    with pytest.raises(httpx.TransportError):
        http.get(keys_path(project) + query)

    assert http.get(keys_path(project) + query).json()["results"] == []


def test_a_truncated_answer_has_its_status_and_half_of_its_body(
    cloud: Cloud, project: CloudProject, http: httpx.Client
) -> None:
    whole = http.get(keys_path(project)).content
    cloud.faults.truncate("list_ssh_keys")

    with http.stream("GET", keys_path(project)) as answer:
        received: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_raw())

    assert answer.status_code == 200
    assert whole.startswith(b"".join(received))


def test_an_answer_without_a_body_is_truncated_too(cloud: Cloud, client: Gcore, http: httpx.Client) -> None:
    key = client.cloud.ssh_keys.create(name="brief")
    cloud.faults.truncate("delete_ssh_key")

    with pytest.raises(httpx.RemoteProtocolError):
        http.delete(f"/cloud/v1/ssh_keys/{client.cloud_project_id}/{key.id}")

    assert list(client.cloud.ssh_keys.list()) == []


@pytest.mark.parametrize("times", [None, 1], ids=["always", "used-up"])
def test_requests_that_wait_go_on_when_the_fault_is_released(
    cloud: Cloud, project: CloudProject, http: httpx.Client, times: int | None
) -> None:
    conditions: RequestConditions = {} if times is None else {"times": times}
    with ThreadPoolExecutor() as threads:
        with cloud.faults.delay("list_ssh_keys", seconds=300, **conditions) as fault:
            waiting = threads.submit(http.get, keys_path(project))
            wait_for_hits(fault)
            is_waiting = not waiting.done()

        assert waiting.result().status_code == 200
    assert is_waiting


def test_a_server_that_stops_answers_the_requests_that_wait() -> None:
    with ThreadPoolExecutor() as threads:
        with pileus.testing.cloud() as stopping:
            headers = {"Authorization": f"APIKey {stopping.project.api_key}"}
            url = f"{stopping.base_url}{keys_path(stopping.project)}"
            fault = stopping.faults.delay("list_ssh_keys", seconds=300, times=1)
            waiting: Future[httpx.Response] = threads.submit(httpx.get, url, headers=headers, timeout=600)
            wait_for_hits(fault)

        assert waiting.result().status_code == 200


def test_a_client_that_does_not_wait_as_long_gives_up(cloud: Cloud, project: CloudProject, http: httpx.Client) -> None:
    with cloud.faults.delay("list_ssh_keys", seconds=300), pytest.raises(httpx.ReadTimeout):
        http.get(keys_path(project), timeout=0.05)


def test_delays_come_before_the_fault_that_ends_the_request(
    cloud: Cloud, project: CloudProject, http: httpx.Client
) -> None:
    ending = cloud.faults.respond("list_ssh_keys", status=504)
    after = cloud.faults.delay("list_ssh_keys", seconds=300)
    before = cloud.faults.delay("list_*", seconds=0.001, max_seconds=0.002)
    ending.release()
    ending = cloud.faults.respond("list_ssh_keys", status=504)
    after.release()
    after = cloud.faults.delay("list_ssh_keys", seconds=300)

    assert http.get(keys_path(project)).status_code == 504
    assert (before.hits, ending.hits, after.matches) == (1, 1, 0)


def test_only_the_selected_project_and_tenant_meet_a_fault(cloud: Cloud, project: CloudProject) -> None:
    other = cloud.create_project()
    of_tenant = cloud.faults.respond("list_ssh_keys", status=500, tenant_id=project.tenant_id)
    of_project = cloud.faults.respond("create_ssh_key", status=500, project_id=project.project_id)

    with other.make_client() as client:
        client.cloud.ssh_keys.create(name="untouched")
        assert len(list(client.cloud.ssh_keys.list())) == 1
    with project.make_client() as client:
        with pytest.raises(InternalServerError):
            client.cloud.ssh_keys.list()
        with pytest.raises(InternalServerError):
            client.cloud.ssh_keys.create(name="hit")
    assert (of_tenant.matches, of_project.matches) == (1, 1)


def test_a_fault_is_chosen_by_method_and_path(cloud: Cloud, project: CloudProject, http: httpx.Client) -> None:
    cloud.faults.respond(method="POST", path="/cloud/v1/ssh_keys/*", status=418)

    assert http.get(keys_path(project)).status_code == 200
    assert http.post(keys_path(project), json={"name": "tea"}).status_code == 418


def test_the_same_seed_hits_the_same_requests(cloud: Cloud, project: CloudProject, http: httpx.Client) -> None:
    def statuses(**conditions: Any) -> list[int]:
        with cloud.faults.respond("list_ssh_keys", status=500, probability=0.5, **conditions):
            return [http.get(keys_path(project)).status_code for _ in range(12)]

    first = statuses(seed=7)

    assert set(first) == {200, 500}
    assert statuses(seed=7) == first
    assert statuses(seed=7, skip=3) == [200, 200, 200, *first[3:]]
    assert statuses(seed=8) != first


def test_requests_are_skipped_before_the_first_hit(cloud: Cloud, project: CloudProject, http: httpx.Client) -> None:
    with cloud.faults.respond("list_ssh_keys", status=500, skip=2, times=1) as fault:
        statuses = [http.get(keys_path(project)).status_code for _ in range(5)]
        counts = (fault.hits, fault.matches)

    assert statuses == [200, 200, 500, 200, 200]
    assert counts == (1, 3)


def test_the_control_of_the_cloud_and_its_health_checks_meet_no_fault(
    cloud: Cloud, project: CloudProject, http: httpx.Client
) -> None:
    fault = cloud.faults.respond(status=503)
    paths = ("/healthz", "/readyz", "/metrics", "/schema/openapi.json")

    assert [http.get(path).status_code for path in paths] == [200] * len(paths)
    assert cloud.operator.get("/_pileus/http_faults").status_code == 200
    assert http.head(keys_path(project)).status_code == http.get(keys_path(project)).status_code == 503
    assert fault.hits == 2


def test_the_metrics_count_a_fault_by_its_operation_and_a_closed_connection_as_no_answer(
    cloud: Cloud, http: httpx.Client
) -> None:
    path = "/cloud/v2/keypairs"
    cloud.faults.respond("list_keypairs", status=507, times=1)
    cloud.faults.lose_answer("list_keypairs")

    http.get(path)
    with pytest.raises(httpx.TransportError):
        http.get(path)

    place = 'operation="list_keypairs",route="/cloud/v2/keypairs"'
    lines = {f'pileus_requests_total{{method="GET",{place},status="{status}"}} 1.0' for status in (507, 0)}
    # The client sees the end of its connection before the server counts the request.
    while not lines <= set(http.get("/metrics").text.splitlines()):
        pass


def test_wrong_arguments_are_refused_with_a_suggestion(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="There is no operation create_instanc: did you mean create_instance"):
        cloud.faults.respond("create_instanc", status=500)
    with pytest.raises(ValueError, match="from 400 to 511"):
        cloud.faults.respond("create_instance", status=200)
    with pytest.raises(TypeError, match="no condition time"):
        cloud.faults.respond("create_instance", status=500, time=2)  # type: ignore[call-arg]
