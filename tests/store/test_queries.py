"""Filters and pages of lists."""

import pytest

from pileus.domain.account.projects import Project
from pileus.store import queries
from pileus.store.account import projects
from pileus.store.account.clients import add
from pileus.store.database import Database, Tx
from pileus.store.queries import Where

NAMES = ["Zulu", "alpha", "beta_1", "beta-1", "100%", "back\\slash"]


@pytest.fixture
async def projects_db(db: Database) -> Database:
    """A database with projects of these names."""

    async def write(tx: Tx) -> None:
        await add(tx, 1, "client", 0)
        for at, name in enumerate(NAMES):
            await projects.add(tx, Project(id=at, client_id=1, name=name, description=name, created_at=at))

    await db.write(write)
    return db


async def page_names(db: Database, where: Where, order_by: str = "created_at.asc") -> list[str]:
    async with db.scan() as tx:
        count, records = await queries.page(
            tx, projects.TABLE, where, queries.order_by_expression(order_by), limit=99, offset=0
        )
    assert count == len(records)
    return [project.name for project in records]


async def test_filters_that_are_not_given_add_no_condition(projects_db: Database) -> None:
    where = Where("client_id = :client", client=1).equal("name", None).any_of("name", None).any_of("name", [])
    where.contains("name", None).equal_ignoring_case("name", None).between("created_at", None, None).with_tags(
        "project", None, None
    )

    assert await page_names(projects_db, where) == NAMES


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ETA", ["beta_1", "beta-1"]),
        ("beta_1", ["beta_1"]),
        ("%", ["100%"]),
        ("\\", ["back\\slash"]),
        ("'", []),
        ("", NAMES),
    ],
)
async def test_wildcards_in_a_text_are_escaped(projects_db: Database, text: str, names: list[str]) -> None:
    assert await page_names(projects_db, Where("client_id = 1").contains("name", text)) == names


async def test_all_conditions_must_hold(projects_db: Database) -> None:
    where = Where("client_id = 1").any_of("name", ["alpha", "Zulu", "100%"]).between("created_at", 1, 4)

    assert await page_names(projects_db, where) == ["alpha", "100%"]
    assert await page_names(projects_db, where.equal_ignoring_case("name", "ALPHA")) == ["alpha"]
    assert await page_names(projects_db, where.add("client_id <> :other", other=1)) == []


def test_a_selective_condition_keeps_sqlite_off_the_index_of_the_list() -> None:
    where = Where.in_scope("i", project_id=1, region_id=2).equal("status", "ACTIVE")
    assert str(where) == "(i.project_id = :project_id) AND (i.region_id = :region_id) AND (i.status = :status)"

    where.with_tags("instance", ["env"], None)

    assert str(where).startswith("(i.project_id + 0 = :project_id) AND (i.region_id + 0 = :region_id) AND ")
    assert "kind = 'instance' AND project_id = :project_id AND region_id = :region_id AND key = :tag_0" in str(where)
    assert where.values == {"project_id": 1, "region_id": 2, "status": "ACTIVE", "tag_0": "env"}


async def test_texts_are_sorted_by_code_point(projects_db: Database) -> None:
    assert await page_names(projects_db, Where("client_id = 1"), "name.asc") == sorted(NAMES)
    assert await page_names(projects_db, Where("client_id = 1"), "name.desc") == sorted(NAMES, reverse=True)


async def test_pages_add_up(projects_db: Database) -> None:
    collected = []
    async with projects_db.scan() as tx:
        for offset in range(0, 8, 2):
            where = Where("client_id = 1")
            order = queries.order_by_expression("name.asc")
            count, records = await queries.page(tx, projects.TABLE, where, order, limit=2, offset=offset)
            collected += [project.name for project in records]
            assert count == len(NAMES)

    assert collected == sorted(NAMES)
