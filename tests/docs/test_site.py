"""The documentation site: it builds without a warning, its links lead somewhere, and a server shows it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx
import pytest
from website.builder import BuildError, build_site, make_policy
from website.site_pages import ROOT, read_navigation

import pileus.testing
from pileus.api.routes import documentation
from pileus.cli.main import SECTIONS

# The site takes long to build on a busy machine.
pytestmark = pytest.mark.timeout(300)

ORIGIN = "http://site"
NOT_ON_THE_SITE = {"README.md"}
"""Its site is the start page."""


class PageParser(HTMLParser):
    """Collects the links, the resources and the anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002, D102  # inherited
        values = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := values.get(name))]
        self.anchors |= {value for value in (values.get("id"),) if value}


def parse_page(page: Path) -> PageParser:
    parser = PageParser()
    parser.feed(page.read_text("utf-8"))
    return parser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, with warnings as errors."""
    folder = tmp_path_factory.mktemp("site") / "result"
    build_site(folder)
    return folder


@pytest.fixture
def server_url(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(documentation, "FOLDER", site)
    with pileus.testing.cloud() as cloud:
        yield cloud.base_url


def test_every_guide_is_in_the_navigation_once() -> None:
    pages = [page for section in read_navigation() for page in section.pages]
    guides = {str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]}

    assert sorted(pages) == sorted(guides - NOT_ON_THE_SITE | {"docs/decisions/README.md"})


def test_every_link_and_anchor_of_the_site_exists(site: Path) -> None:
    pages = {f"{ORIGIN}/{path.relative_to(site)}": parse_page(path) for path in site.rglob("*.html")}
    missing = set()
    for url, page in pages.items():
        for link in page.links:
            target = urlsplit(urljoin(url, link))
            if f"{target.scheme}://{target.netloc}" != ORIGIN:
                continue
            file = site / unquote(target.path.lstrip("/"))
            linked = pages.get(f"{ORIGIN}{target.path}")
            has_anchor = not (linked and target.fragment) or unquote(target.fragment) in linked.anchors
            if not (file.is_file() and has_anchor):
                missing.add((url, link))

    assert missing == set()


def test_every_operation_and_every_command_is_on_the_site(site: Path) -> None:
    operations = "".join(path.read_text("utf-8") for path in (site / "operations").glob("*.html"))
    commands = {path.stem for path in (site / "commands").glob("*.html")}

    document = httpx.Response(200, content=(ROOT / "docs" / "openapi.json").read_bytes()).json()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert [name for name in names if f'id="{name.lower().replace("_", "-")}"' not in operations] == []
    assert commands - {"index"} == {name for names in SECTIONS.values() for name in names}


def test_a_page_loads_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]+)\"", page.read_text("utf-8"))
        assert [url for url in loaded if urlsplit(url).netloc] == []


def test_the_policy_allows_only_the_scripts_of_the_pages(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<script>one()</script><script src='two.js'></script>")

    # The digest of "one()".
    assert "script-src 'self' 'sha256-HR7iaask9daLMRRskMI++QeJtjWDOjyPA6lGzYGzKW4='; " in make_policy([page])


def test_a_broken_link_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("website.builder.stage_pages", write_broken_page)

    with pytest.raises(BuildError):
        build_site(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def write_broken_page(folder: Path) -> None:
    folder.mkdir()
    (folder / "index.md").write_text("# Page\n\n[nowhere](nowhere.md)\n")


def test_the_server_shows_the_site(server_url: str) -> None:
    start = httpx.get(f"{server_url}/docs", follow_redirects=True)
    page = httpx.get(f"{server_url}/docs/testing.html")

    assert start.url.path == "/docs/index.html"
    assert "Test with Pileus" in page.text
    assert "sha256-" in page.headers["content-security-policy"]
    assert httpx.get(f"{server_url}/docs/content-security-policy.txt").status_code == 404
    assert httpx.get(f"{server_url}/docs/nothing.html").status_code == 404


def test_a_browser_can_search_the_site(server_url: str, tmp_path: Path) -> None:
    if not (chromium := shutil.which("chromium")):
        pytest.skip("needs Chromium: apt-get install chromium")
    options = ["--headless", "--no-sandbox", f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000"]
    done = subprocess.run(
        [chromium, *options, "--dump-dom", f"{server_url}/docs/search.html?q=capacity"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert 'href="simulation.html' in done.stdout


def test_a_server_without_the_site_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documentation, "FOLDER", tmp_path)

    with pileus.testing.cloud() as cloud:
        answer = httpx.get(f"{cloud.base_url}/docs")

    assert (answer.status_code, "make site" in answer.text) == (404, True)
