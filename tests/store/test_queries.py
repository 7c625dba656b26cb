"""Lists: narrowed by what is asked for only, and cut into pages that all add up, on both databases."""

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
        count, records = await queries.query_page(
            tx, projects.TABLE, where, queries.order_by(order_by), limit=99, offset=0
        )
    assert count == len(records)
    return [project.name for project in records]


async def test_what_nobody_asks_for_does_not_matter(listed: Database) -> None:
    where = Where("client_id = :client", client=1).equal("name", None).any_of("name", None).any_of("name", [])
    where.contains("name", None).equal_ignoring_case("name", None).between("created_at", None, None).with_tags(
        "project", None, None
    )

    assert await page_names(listed, where) == NAMES


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
async def test_a_part_of_a_text_stands_for_itself(listed: Database, text: str, names: list[str]) -> None:
    assert await page_names(listed, Where("client_id = 1").contains("name", text)) == names


async def test_conditions_hold_together(listed: Database) -> None:
    where = Where("client_id = 1").any_of("name", ["alpha", "Zulu", "100%"]).between("created_at", 1, 4)

    assert await page_names(listed, where) == ["alpha", "100%"]
    assert await page_names(listed, where.equal_ignoring_case("name", "ALPHA")) == ["alpha"]
    assert await page_names(listed, where.add("client_id <> :other", other=1)) == []


async def test_texts_are_sorted_by_their_characters_numbers(listed: Database) -> None:
    assert await page_names(listed, Where("client_id = 1"), "name.asc") == sorted(NAMES)
    assert await page_names(listed, Where("client_id = 1"), "name.desc") == sorted(NAMES, reverse=True)


async def test_pages_add_up(listed: Database) -> None:
    collected = []
    async with listed.scan() as tx:
        for offset in range(0, 8, 2):
            where = Where("client_id = 1")
            order = queries.order_by("name.asc")
            count, records = await queries.query_page(tx, projects.TABLE, where, order, limit=2, offset=offset)
            collected += [project.name for project in records]
            assert count == len(NAMES)

    assert collected == sorted(NAMES)
