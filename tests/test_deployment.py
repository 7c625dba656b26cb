"""The files of deploy/: proxies pass requests on as the server needs them, and Prometheus accepts what it gets."""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pileus.api.metrics_reference import MetricRow, list_installation_metrics, list_process_metrics
from tests.servers import KEY, Server, free_port, run_server

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
HEADERS = {"Authorization": f"APIKey {KEY}"}
PROJECT = "/cloud/v1/projects/1"
CLIENT = "192.0.2.7"
METRIC = re.compile(r"\bpileus_\w+")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def need(program: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if path is None:
        pytest.skip(f"no {program}: scripts/need installs it")
    return path


def run(*command: str, cwd: Path = DEPLOY) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of the loopback address, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    run(
        need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=IP:127.0.0.1",
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes a proxy on this machine."""
    with run_server(tmp_path_factory.mktemp("proxied") / "data", "--trusted-proxies", "127.0.0.1") as server:
        yield server


def configure_nginx(folder: Path, certificate: tuple[Path, Path], server_port: int) -> tuple[Path, int]:
    """Write the configuration with ports and files of this test; return it and the port of HTTPS."""
    port = free_port()
    replacements = {
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "/etc/ssl/certs/cloud.example.org.pem": str(certificate[0]),
        "/etc/ssl/private/cloud.example.org.key": str(certificate[1]),
        "server 127.0.0.1:8080;": f"server 127.0.0.1:{server_port};",
    }
    text = (DEPLOY / "nginx.conf").read_text()
    for given, own in replacements.items():
        assert text.count(given) == 1, given
        text = text.replace(given, own)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    (folder / "pileus.conf").write_text(text)
    main.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/pileus.conf; }}\n"
    )
    return main, port


@contextmanager
def run_nginx(configuration: Path) -> Iterator[None]:
    process = subprocess.Popen([need("nginx"), "-c", str(configuration), "-e", str(configuration.with_name("log"))])
    try:
        while not (configuration.with_name("pid")).exists():
            assert process.poll() is None, configuration.with_name("log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def proxy(
    upstream: Server, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client that reaches the server through nginx."""
    port = int(upstream.url.rpartition(":")[2])
    configuration, https_port = configure_nginx(tmp_path_factory.mktemp("nginx"), certificate, port)
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        run_nginx(configuration),
        httpx.Client(base_url=f"https://127.0.0.1:{https_port}", verify=trust, headers=HEADERS, timeout=30) as client,
    ):
        yield client


def test_nginx_accepts_the_configuration(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    configuration, _ = configure_nginx(tmp_path, certificate, free_port())

    run(need("nginx"), "-t", "-c", str(configuration), "-e", str(tmp_path / "log"))


def test_requests_pass_the_proxy(proxy: httpx.Client) -> None:
    changed = proxy.patch(PROJECT, json={"name": "proxied"})

    assert (changed.status_code, proxy.get(PROJECT).json()["name"]) == (200, "proxied")
    assert proxy.head(PROJECT).status_code == 200


def test_a_body_over_the_limit_gets_the_same_error_as_from_the_server(proxy: httpx.Client, upstream: Server) -> None:
    body = {"name": "x" * (3 << 19)}

    answers = [proxy.patch(PROJECT, json=body), httpx.patch(f"{upstream.url}{PROJECT}", headers=HEADERS, json=body)]

    assert [answer.status_code for answer in answers] == [413, 413]
    texts = [[answer.json()[name] for name in ("exception_class", "message")] for answer in answers]
    assert texts[0] == texts[1]


def test_the_proxy_does_not_show_the_metrics(proxy: httpx.Client) -> None:
    assert proxy.get("/metrics").status_code == 404


def test_the_server_logs_the_address_of_the_client_of_a_trusted_proxy(upstream: Server) -> None:
    httpx.get(f"{upstream.url}{PROJECT}/here", headers={**HEADERS, "X-Forwarded-For": CLIENT})

    assert client_of(upstream, f"{PROJECT}/here") == CLIENT


def test_the_server_does_not_believe_others(server: Server) -> None:
    httpx.get(f"{server.url}{PROJECT}/there", headers={**HEADERS, "X-Forwarded-For": CLIENT})

    assert client_of(server, f"{PROJECT}/there") == "127.0.0.1"


def client_of(server: Server, path: str) -> str:
    """Return the address of the client in the log line of a request, which follows its answer."""
    while True:
        for line in server.log.read_text().splitlines():
            if f'"path":"{path}"' in line:
                return str(json.loads(line)["client"])


def test_caddy_accepts_the_configuration(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "Caddyfile", tmp_path)

    run(need("caddy"), "adapt", "--config", "Caddyfile", "--validate", cwd=tmp_path)


def test_prometheus_accepts_its_configuration_and_the_alerts() -> None:
    promtool = need("promtool")

    run(promtool, "check", "config", "prometheus.yml")
    run(promtool, "check", "rules", "alerts.yml")


def test_the_alerts_fire_when_they_should() -> None:
    assert "SUCCESS" in run(need("promtool"), "test", "rules", "alerts-tests.yml")


def test_every_alert_has_a_test() -> None:
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    tested = re.findall(r"alertname: (\w+)", (DEPLOY / "alerts-tests.yml").read_text())

    assert set(alerts) == set(tested)


def test_prometheus_accepts_the_metrics(server: Server) -> None:
    text = httpx.get(f"{server.url}/metrics").text

    done = subprocess.run(
        [need("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def series_of(row: MetricRow) -> set[str]:
    return {f"{row.name}{suffix}" for suffix in SUFFIXES.get(row.kind, ("",))}


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yml", "alerts-tests.yml"])
def test_every_metric_of_a_query_exists(file: str, server: Server) -> None:
    rows = [*list_process_metrics(), *list_installation_metrics()]
    scraped = set(re.findall(r"^# TYPE (\w+)", httpx.get(f"{server.url}/metrics").text, re.MULTILINE))
    series = {name for row in rows if row.name in scraped for name in series_of(row)}

    queried = set(METRIC.findall((DEPLOY / file).read_text()))

    assert queried
    assert queried - series == set()


def test_the_dashboard_selects_what_its_variables_name() -> None:
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all('{job="pileus", instance=~"$instance"' in query for query in queries)
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"source", "instance"}


def test_the_labels_of_the_dashboard_exist() -> None:
    labels = {label for row in (*list_process_metrics(), *list_installation_metrics()) for label in row.labels}
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    texts = [
        target[key] for panel in dashboard["panels"] for target in panel["targets"] for key in ("expr", "legendFormat")
    ]

    grouped = {
        name.strip() for text in texts for names in re.findall(r"by \(([^)]*)\)", text) for name in names.split(",")
    }
    legends = {name for text in texts for name in re.findall(r"{{(\w+)}}", text)}

    assert (grouped | legends) - labels == {"le"}
