"""How the pages of the web console look: every page in both themes at three widths."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.conftest import Browser
from tests.console.pages import SIZES, list_dialogs, list_lists, list_records, name_picture
from tests.console.records import hold_task, make_records, make_settings
from tests.console.resources import PLACE

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("records")]
OUTSIDE = {"/schema": "reference", "/ui/1/1/instances": "sign-in"}
"""Pages without signing in, and the names of their pictures."""
FOLDER = "CONSOLE_SCREENSHOTS"
PAGES_AT_ONCE = 12


@pytest.fixture(scope="module")
def records(api: httpx.Client) -> dict[str, str]:
    """A record of each noun that has a page."""
    return make_records(api)


@pytest.fixture(scope="module")
def tables(browser: Browser) -> Any:
    """The tables of nouns and operations, of which the console consists."""
    return browser.run("tables")


@pytest.fixture(autouse=True)
def settings(api: httpx.Client) -> Iterator[None]:
    """What the pages of the account and of the workbench list."""
    with make_settings(api):
        yield


def find_problems(browser: Browser, pages: Iterable[str], *, is_signed_in: bool = True) -> dict[str, list[str]]:
    """Return what axe finds on pages, what does not fit, and the errors of scripts; a few pages in each scenario."""
    problems: dict[str, list[str]] = {}
    for some in batched(pages):
        problems |= browser.run("pages", pages=some, sizes=SIZES, isSignedIn=is_signed_in)
    return problems


def batched(pages: Iterable[str]) -> Iterator[list[str]]:
    """Yield pages in groups that a browser shows in the time of one scenario."""
    rest = list(pages)
    for start in range(0, len(rest), PAGES_AT_ONCE):
        yield rest[start : start + PAGES_AT_ONCE]


def test_every_list_is_accessible_and_fits(browser: Browser, tables: Any) -> None:
    assert find_problems(browser, list_lists(tables)) == {}


def test_every_record_and_tab_is_accessible_and_fits(browser: Browser, tables: Any, records: dict[str, str]) -> None:
    assert find_problems(browser, list_records(tables, records)) == {}


def test_dialogs_with_all_kinds_of_fields_are_accessible_and_fit(
    browser: Browser, tables: Any, records: dict[str, str]
) -> None:
    assert find_problems(browser, list_dialogs(tables, records)) == {}


def test_the_pages_without_signing_in_are_accessible_and_fit(browser: Browser) -> None:
    assert find_problems(browser, OUTSIDE, is_signed_in=False) == {}


def test_nothing_moves_for_people_who_want_less_motion(browser: Browser, api: httpx.Client) -> None:
    with hold_task(api) as task_id:
        path = f"{PLACE}/tasks/{task_id}"
        usual, reduced = (browser.run("animations", path=path, motion=motion) for motion in ("no-preference", "reduce"))

    assert usual["spinners"] == usual["moving"] > 0
    assert (reduced["spinners"], reduced["moving"]) == (usual["spinners"], 0)


@pytest.mark.skipif(not os.environ.get(FOLDER), reason=f"{FOLDER} names the folder of the pictures")
@pytest.mark.timeout(1500)
def test_every_page_has_pictures(browser: Browser, tables: Any, records: dict[str, str]) -> None:
    pages = [*list_lists(tables), *list_records(tables, records), *list_dialogs(tables, records)]
    names = {page: name_picture(page, records) for page in pages}
    for some in batched(pages):
        browser.run("pictures", pages={page: names[page] for page in some}, sizes=SIZES)
    browser.run("pictures", pages=OUTSIDE, sizes=SIZES, isSignedIn=False)
    files = {file.name for file in Path(os.environ[FOLDER]).iterdir()}

    assert len({*names.values()}) == len(pages)
    for name in (*names.values(), *OUTSIDE.values()):
        assert {f"{name}-{width}-{theme}.png" for width, _ in SIZES for theme in ("light", "dark")} <= files
