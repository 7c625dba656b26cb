"""Merge patches over HTTP have the same effect as on a dictionary, in any order."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pileus.store.account import user_actions
from pileus.store.compute import instances
from pileus.store.database import Tx
from tests.builders import SYSTEM_TAGS, an_instance, reload_instance
from tests.state_machines import run_machine
from tests.sync_app import SyncApp

# Few keys, so that patches affect each other; one key has blanks at its ends, one is a system tag.
KEYS = st.sampled_from(["a", "b", "c/d", " a ", "ключ", "os_type", "x" * 255])
VALUES = st.sampled_from(["1", "2", " two words ", "=", "🌩"])
PATCHES = st.none() | st.dictionaries(KEYS, VALUES | st.none(), max_size=5)
NAMES = st.from_regex(r"\A[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,61}[a-zA-Z0-9._]\Z")
WRONG = st.sampled_from(
    [
        {"tags": {"a b": "1"}},
        {"tags": {"a": ""}},
        {"tags": [1]},
        {"name": None},
        {"name": "-"},
        {"tags": {"a": 1}},
        {},
        {"unknown": None},
        [],
        7,
    ]
)


class Patches(RuleBasedStateMachine):
    """Patches of one instance; `tags` and `name` hold the expected state."""

    def __init__(self, world: SyncApp) -> None:
        super().__init__()
        self.world, self.tenant = world, world.tenant()
        self.tags: dict[str, str] = {}
        self.name = "web"
        self.locked = False
        self.changes = 0

    @initialize(labels=st.dictionaries(st.sampled_from(["a", "b", "z"]), st.just("0")))
    def add_instance(self, labels: dict[str, str]) -> None:
        """Add the instance."""
        self.tags = dict(labels)
        self.instance = self.world.run(an_instance(self.tenant, labels=labels))
        self.path = self.tenant.path("instances", self.instance.id)

    def patch(self, body: Any) -> int:
        """Send a patch and return the status code."""
        answer = self.world.run(self.tenant.api.patch(self.path, json=body))
        self.changes += answer.status_code == 200
        return int(answer.status_code)

    @rule(patch=PATCHES)
    def change_tags(self, patch: dict[str, str | None] | None) -> None:
        """Apply RFC 7386 to the model. Two spellings of one key are refused, because their order is undefined."""
        ambiguous = patch is not None and len({key.strip() for key in patch}) < len(patch)
        status = self.patch({"tags": patch})
        assert status == (400 if ambiguous else 409 if self.locked else 200)
        if status == 200:
            for key in list(self.tags) if patch is None else patch:
                value = None if patch is None else patch[key]
                self._put(key.strip(), value)

    def _put(self, key: str, value: str | None) -> None:
        if value is None:
            self.tags.pop(key, None)
        elif key not in SYSTEM_TAGS:
            self.tags[key] = value.strip()

    @rule(name=NAMES)
    def rename(self, name: str) -> None:
        """Rename the instance."""
        if self.patch({"name": name}) == 200:
            assert not self.locked
            self.name = name

    @rule(body=st.sampled_from([{"tags": {}}, {"tags": {}, "unknown": None}]))
    def change_nothing(self, body: dict[str, Any]) -> None:
        """Send a patch that changes nothing."""
        assert self.patch(body) == (409 if self.locked else 200)

    @rule(body=WRONG)
    def send_invalid_patch(self, body: Any) -> None:
        """Send an invalid patch: it is refused even if the instance is locked."""
        assert self.patch(body) == 400

    @rule(name=NAMES, patch=PATCHES)
    def send_partly_invalid_patch(self, name: str, patch: dict[str, str | None] | None) -> None:
        """Send a patch with one invalid field: the whole patch is refused."""
        assert self.patch({"name": f"{name}!", "tags": patch}) == 400

    @precondition(lambda self: not self.locked)
    @rule()
    def lock(self) -> None:
        """Lock the instance."""
        self._set_lock("a-task")

    @precondition(lambda self: self.locked)
    @rule()
    def unlock(self) -> None:
        """Unlock the instance."""
        self._set_lock(None)

    def _set_lock(self, task_id: str | None) -> None:
        async def write(tx: Tx) -> None:
            before = await instances.get(tx, self.instance.place, self.instance.id)
            await instances.save(tx, before, before.locked(task_id) if task_id else before.unlocked())

        self.world.run(self.tenant.running.app_state.db.write(write))
        self.locked = task_id is not None

    @invariant()
    def the_api_shows_the_model(self) -> None:
        """The API shows exactly the expected tags, and the system tags."""
        view = self.world.run(self.tenant.api.get(self.path)).json()
        assert {tag["key"]: tag["value"] for tag in view["tags"] if not tag["read_only"]} == self.tags
        assert {tag["key"]: tag["value"] for tag in view["tags"] if tag["read_only"]} == SYSTEM_TAGS
        assert [tag["key"] for tag in view["tags"]] == sorted(tag["key"] for tag in view["tags"])
        assert (view["name"], view["task_id"]) == (self.name, "a-task" if self.locked else None)

    def teardown(self) -> None:
        """Each accepted patch has an audit entry, and the record has the expected name."""
        tenant = self.tenant

        async def count_actions() -> int:
            async with tenant.running.app_state.db.read() as tx:
                actions = await user_actions.TABLE.find(tx, "client_id = :id", id=tenant.client_id)
            return sum(self.instance.id in str(action.resources) for action in actions)

        assert self.world.run(count_actions()) == self.changes
        assert self.world.run(reload_instance(tenant, self.instance)).name == self.name


def test_merge_patches_have_the_effect_of_dictionary_updates(world: SyncApp) -> None:
    run_machine(lambda: Patches(world), examples=30, steps=25)
