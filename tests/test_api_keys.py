"""API keys that are created and revoked in the database, with and without a running server."""

from pathlib import Path

import httpx
import pytest

from pileus.api_keys import DAY, ApiKeyAdmin
from pileus.app import RunningCloud, open_api_keys
from pileus.domain.account.access import Role
from pileus.initial_data import CLIENT, NoCloud, open_seeded_database
from pileus.settings import Settings
from pileus.store.account import api_keys as key_records
from tests.tenants import client_of


@pytest.fixture
def api_keys(running: RunningCloud) -> ApiKeyAdmin:
    """The API keys of the running cloud."""
    return ApiKeyAdmin(running.app_state.db, running.app_state.now())


async def list_projects(running: RunningCloud, token: str) -> httpx.Response:
    """List projects with a key."""
    async with client_of(running, token) as client:
        return await client.get("/cloud/v1/projects")


async def test_a_key_opens_until_it_is_revoked(running: RunningCloud, api_keys: ApiKeyAdmin) -> None:
    token = await api_keys.create("pipeline", "Engineers", None, None)

    before = await list_projects(running, token)
    ended = await api_keys.revoke(int(token.partition("_")[0]))
    after = await list_projects(running, token)

    assert (before.status_code, after.status_code) == (200, 401)
    assert before.json()["results"][-1]["client_id"] == CLIENT
    assert ended
    assert not await api_keys.revoke(int(token.partition("_")[0]))
    assert not await api_keys.revoke(987654321)


@pytest.mark.parametrize("role", list(Role))
async def test_a_key_may_what_its_role_may(running: RunningCloud, api_keys: ApiKeyAdmin, role: Role) -> None:
    token = await api_keys.create("someone", role, None, None)

    async with client_of(running, token) as client:
        answer = await client.post("/cloud/v1/projects", json={"name": "-"})

    assert answer.status_code == (400 if role in (Role.OPERATORS, Role.ADMINISTRATORS) else 403)


async def test_a_key_ends_when_it_was_to(running: RunningCloud, api_keys: ApiKeyAdmin) -> None:
    past = ApiKeyAdmin(api_keys.db, api_keys.now - 3 * DAY)

    spent = await past.create("spent", "Users", None, 2)
    good = await past.create("good", "Users", None, 4)

    assert (await list_projects(running, spent)).status_code == 401
    assert (await list_projects(running, good)).status_code == 200


async def test_a_new_tenant_gets_a_project_and_a_user_of_its_own(running: RunningCloud, api_keys: ApiKeyAdmin) -> None:
    first = await api_keys.create("first", "Administrators", 77, None)
    second = await api_keys.create("second", "Users", 77, None)

    seen = (await list_projects(running, first)).json()
    listed = [key for key in await api_keys.list() if key.client_id == 77]

    assert [(project["name"], project["is_default"], project["client_id"]) for project in seen["results"]] == [
        ("default", True, 77)
    ]
    assert (await list_projects(running, second)).json() == seen
    assert [(key.name, key.role) for key in listed] == [("first", "Administrators"), ("second", "Users")]
    assert len({key.user_id for key in listed}) == 1
    assert listed[0].user_id not in {key.user_id for key in await api_keys.list() if key.client_id != 77}


async def test_a_key_takes_no_number_that_is_taken(running: RunningCloud, api_keys: ApiKeyAdmin) -> None:
    async with running.app_state.db.read() as tx:
        row = await tx.one("SELECT value FROM counters WHERE name = 'api_keys'")
    assert row is not None
    (template, *_) = await api_keys.list()
    changed = {field: getattr(template, field) for field in template.__struct_fields__} | {"id": row[0] + 1}
    await running.app_state.db.write(lambda tx: key_records.add(tx, type(template)(**changed)))

    token = await api_keys.create("next", "Users", None, None)

    assert token.startswith(f"{row[0] + 2}_")


async def test_a_database_that_no_server_has_seen_is_refused(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new", log_level="error")

    with pytest.raises(NoCloud):
        async with open_api_keys(settings):
            pass

    assert not settings.data.exists()


async def test_the_file_with_the_first_key_follows_its_rotation_and_goes_with_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, log_level="error")
    file = tmp_path / "admin.key"
    async with open_seeded_database(settings):
        first = file.read_text().strip()

    async with open_api_keys(settings) as keys:
        rotated = await keys.rotate(1, 0)
        in_file = file.read_text().strip()
        await keys.create("ann", Role.OPERATORS, None, None)
        await keys.revoke(2)
        is_kept = file.exists()
        await keys.revoke(1)

    assert first != rotated == in_file
    assert is_kept
    assert not file.exists()


async def test_the_file_with_the_key_of_another_database_is_kept(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, log_level="error")
    async with open_seeded_database(settings):
        pass
    other = f"1_{'0' * 64}\n"
    (tmp_path / "admin.key").write_text(other)

    async with open_api_keys(settings) as keys:
        await keys.rotate(1, 0)
        await keys.revoke(1)

    assert (tmp_path / "admin.key").read_text() == other


async def test_the_last_operator_is_told_from_others(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, log_level="error")
    async with open_seeded_database(settings), open_api_keys(settings) as keys:
        await keys.create("pipeline", Role.ADMINISTRATORS, None, None)
        await keys.create("visitor", Role.OPERATORS, None, 1)
        alone = [await keys.is_last_operator(number) for number in (1, 2, 3)]
        await keys.create("ann", Role.OPERATORS, None, None)

        assert alone == [True, False, False]
        assert not await keys.is_last_operator(1)
