"""The web console: its page and headers, signing in with a ticket, and the steps of tasks."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from pileus.api.routes.web_console import FOLDER
from pileus.api.script_bundles import ScriptBundle
from pileus.api.static_files import strip_comments
from pileus.api_keys import ApiKeyAdmin
from pileus.app import RunningCloud
from pileus.domain.account.access import Role
from pileus.domain.account.clients import FIRST_CLIENT
from pileus.services.account.console_tickets import TICKET_LIFETIME
from pileus.store.account import clients
from tests.orders import an_order
from tests.tenants import Tenant, client_of

HTML = {"Accept": "text/html,application/xhtml+xml"}
MOST_BYTES = 60_000
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg"))


@pytest.fixture
async def anybody(running: RunningCloud) -> Any:
    """A client without a key."""
    async with client_of(running, None) as client:
        yield client


async def create_ticket(running: RunningCloud) -> str:
    return await ApiKeyAdmin(running.app_state.db, running.app_state.now()).create_console_ticket()


async def test_a_browser_gets_the_console_and_a_client_of_the_api_404(anybody: httpx.AsyncClient) -> None:
    page, answer = await anybody.get("/", headers=HTML), await anybody.get("/")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'src="/ui/files/main.js"' in page.text
    assert (answer.status_code, answer.json()["exception_class"]) == (404, "NotFoundError")


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/1/1/instances/an-id", "/ui/files/main.js", "/ui/files/style.css"])
async def test_every_part_of_the_console_forbids_frames_foreign_scripts_and_evaluation(
    anybody: httpx.AsyncClient, path: str
) -> None:
    answer = await anybody.get(path, headers=HTML)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))

    assert answer.status_code == 200
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


async def test_the_console_is_small(anybody: httpx.AsyncClient) -> None:
    bundled = {FOLDER / f"{module}.js" for module in ScriptBundle(FOLDER / "main.js").modules} - {FOLDER / "main.js"}
    sizes = []
    for path in sorted({*FILES} - bundled):
        address = f"/ui/files/{path.relative_to(FOLDER)}"
        answer = await anybody.get(address, headers={"Accept-Encoding": "gzip"})
        sizes.append(int(answer.headers["content-length"]))
    assert sum(sizes) <= MOST_BYTES


def test_a_script_is_sent_without_comments_indentation_and_needless_line_breaks() -> None:
    script = b"// About it.\n/**\n * More.\n */\nfunction f(\n  a,\n  b,\n) {\n  return 2 *\n    3; // a six,\n}\n"
    assert strip_comments(script) == b"function f(a,b,) {return 2 *\n3; // a six,\n}\n"


def test_the_files_of_the_console_name_no_other_site() -> None:
    addresses = {"http://www.w3.org/", "https://www.w3.org/"}
    for path in FILES:
        text = path.read_text("utf-8")
        for address in addresses:
            text = text.replace(address, "")
        assert "://" not in text, path
        assert "eval(" not in text, path
        assert "new Function" not in text, path


def test_all_texts_are_in_one_file() -> None:
    texts = re.compile(r"(?<![=\s])>\s*([A-Za-z][^<$`{]*)(?=[<$])|\b(?:label|title|placeholder)=\"([^\"]+)\"")
    scripts = [path for path in FOLDER.glob("*.js") if path.name != "texts.js"]
    literals = {first or second for path in scripts for first, second in texts.findall(path.read_text("utf-8"))}
    assert literals <= {"JSON"}


async def test_a_file_is_sent_compressed_and_not_again_while_it_is_the_same(anybody: httpx.AsyncClient) -> None:
    first = await anybody.get("/ui/files/texts.js", headers={"Accept-Encoding": "gzip"})
    again = await anybody.get("/ui/files/texts.js", headers={"If-None-Match": first.headers["etag"]})
    plain = await anybody.get("/ui/files/texts.js", headers={"Accept-Encoding": "identity"})

    assert first.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert first.text == plain.text == strip_comments((FOLDER / "texts.js").read_bytes()).decode()
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["missing.js", "../../api/reference.css", "%2e%2e/%2e%2e/api/reference.css", "vendor/LICENSES.txt"]
)
async def test_other_files_are_not_sent(anybody: httpx.AsyncClient, path: str) -> None:
    assert (await anybody.get(f"/ui/files/{path}")).status_code == 404


async def test_a_ticket_signs_in_once_however_often_it_is_used(
    running: RunningCloud, anybody: httpx.AsyncClient
) -> None:
    ticket = await create_ticket(running)
    answers = await asyncio.gather(*(anybody.post("/ui/session", json={"ticket": ticket}) for _ in range(5)))

    (session,) = [answer for answer in answers if answer.status_code == 201]
    assert [answer.status_code for answer in answers].count(401) == 4
    assert session.headers["cache-control"] == "no-store"
    assert "set-cookie" not in session.headers
    async with client_of(running, session.json()["token"]) as operator:
        caller = (await operator.get("/ui/session")).json()
        assert (caller["role"], caller["may_operate"]) == (Role.OPERATORS, True)


async def test_a_ticket_is_no_key_and_the_key_of_a_session_no_ticket(
    running: RunningCloud, anybody: httpx.AsyncClient
) -> None:
    ticket = await create_ticket(running)
    async with client_of(running, ticket) as client:
        assert (await client.get("/cloud/v1/projects")).status_code == 401
    session = await anybody.post("/ui/session", json={"ticket": ticket})
    again = await anybody.post("/ui/session", json={"ticket": session.json()["token"]})

    assert again.status_code == 401


@pytest.mark.parametrize("ticket", ["1_wrong-wrong-wrong", "999999_0123456789abcdef", "nonsense"])
async def test_a_wrong_ticket_is_refused(anybody: httpx.AsyncClient, ticket: str) -> None:
    answer = await anybody.post("/ui/session", json={"ticket": ticket})
    assert (answer.status_code, "ticket" in answer.json()["message"]) == (401, True)


async def test_a_ticket_expires(running: RunningCloud, anybody: httpx.AsyncClient) -> None:
    admin = ApiKeyAdmin(running.app_state.db, running.app_state.now() - TICKET_LIFETIME)
    answer = await anybody.post("/ui/session", json={"ticket": await admin.create_console_ticket()})
    assert answer.status_code == 401


async def test_a_ticket_from_before_a_suspension_does_not_sign_in(
    running: RunningCloud, anybody: httpx.AsyncClient
) -> None:
    ticket, now = await create_ticket(running), running.app_state.now()
    operators = await running.app_state.db.write(lambda tx: clients.get(tx, FIRST_CLIENT))
    await running.app_state.db.write(lambda tx: clients.save_suspension(tx, operators.suspended(now)))
    refused = await anybody.post("/ui/session", json={"ticket": ticket})
    suspended = await running.app_state.db.write(lambda tx: clients.get(tx, FIRST_CLIENT))
    await running.app_state.db.write(lambda tx: clients.save_suspension(tx, suspended.resumed()))
    again = await anybody.post("/ui/session", json={"ticket": ticket})

    assert (refused.status_code, "suspended" in refused.json()["message"]) == (403, True)
    assert again.status_code == 201


async def test_the_console_learns_what_each_role_may_do(tenant: Tenant) -> None:
    may = {}
    for role, client in tenant.clients.items():
        caller = (await client.get("/ui/session")).json()
        may[role] = (caller["may_write"], caller["may_administer"], caller["may_operate"])
        assert (caller["role"], caller["client_id"]) == (role, tenant.client_id)

    assert may == {
        Role.USERS: (False, False, False),
        Role.ENGINEERS: (True, False, False),
        Role.ADMINISTRATORS: (True, True, False),
        Role.OPERATORS: (True, True, True),
    }


async def test_a_cookie_authenticates_nobody(running: RunningCloud, tenant: Tenant) -> None:
    token = tenant.tokens[Role.ADMINISTRATORS]
    async with client_of(running, None) as client:
        for name in ("session", "Authorization", "pileus-key"):
            answer = await client.get("/cloud/v1/projects", headers={"Cookie": f"{name}=APIKey {token}"})
            assert answer.status_code == 401


async def test_the_steps_of_a_held_task_show_how_far_it_is(tenant: Tenant) -> None:
    fault = {"kind": "hold", "task_type": "create_vm", "step": "spawn"}
    fault_id = (await tenant.api.post("/_pileus/faults", json=fault)).json()["id"]
    order = an_order()
    (task_id,) = (await tenant.api.post(tenant.path("instances", version=2), json=order)).json()["tasks"]
    path = f"/_pileus/tasks/{task_id}/steps"
    while (steps := (await tenant.api.get(path)).json())["held_by"] is None:
        await asyncio.wait_for(asyncio.sleep(0), 10)
    states = {step["name"]: step["state"] for step in steps["steps"]}

    assert steps["held_by"] == fault_id
    assert states["spawn"] in ("running", "waiting")
    await tenant.api.delete(f"/_pileus/faults/{fault_id}")
    await tenant.wait_for_task(task_id)
    ended = (await tenant.api.get(path)).json()
    assert {step["state"] for step in ended["steps"]} == {"done"}
    assert ended["held_by"] is None


async def test_the_steps_of_a_foreign_task_are_those_of_a_missing_one(running: RunningCloud, tenant: Tenant) -> None:
    order = an_order()
    (task_id,) = (await tenant.api.post(tenant.path("instances", version=2), json=order)).json()["tasks"]
    await tenant.wait_for_task(task_id)
    async with client_of(running, (await create_session(running))) as other:
        foreign = await other.get(f"/_pileus/tasks/{task_id}/steps")
    missing = await tenant.api.get("/_pileus/tasks/00000000-0000-4000-8000-000000000000/steps")

    assert (foreign.status_code, missing.status_code) == (404, 404)


async def create_session(running: RunningCloud) -> str:
    async with client_of(running, None) as client:
        answer = await client.post("/ui/session", json={"ticket": await create_ticket(running)})
    return str(json.loads(answer.content)["token"])
