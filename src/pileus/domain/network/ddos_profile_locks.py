"""What a DDoS profile may say: its answers held against what its template asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid
from pileus.domain.network.ddos_profiles import DdosProfile, DdosTemplate

QUEUED, ACTIVE, ERROR = "Queued", "Active", "Error"


def check_answers(template: DdosTemplate, answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a profile, one for each field of its template that has one; raises Invalid."""
    asked = {entry.id: entry for entry in template.fields}
    given = {answer["base_field"]: answer.get("field_value") for answer in answers}
    complaints = [f"Template {template.id} has no field {number}" for number in given if number not in asked]
    complaints += [
        f"Field {entry.id} ({entry.name}) is required"
        for entry in template.fields
        if entry.required and entry.default is None and given.get(entry.id) is None
    ]
    if complaints:
        raise Invalid(f"Validation Error: {{'fields': {complaints}}}", {"fields": complaints})
    return [
        {"base_field": entry.id, "field_value": given.get(entry.id, entry.default)}
        for entry in template.fields
        if entry.id in given or entry.default is not None
    ]


def locked(profile: DdosProfile, task_id: str) -> DdosProfile:
    """Let a task hold a profile; raises Conflict if one does."""
    if profile.task_id is not None:
        raise Conflict(f"DDoS profile {profile.id} is locked by task {profile.task_id}: try again when it has finished")
    return replace(profile, task_id=task_id, status=QUEUED)


def unlocked(profile: DdosProfile, *, error: str = "") -> DdosProfile:
    """Let the task go: what is protected is Active, what could not be is in Error."""
    return replace(profile, task_id=None, status=ERROR if error else ACTIVE, error_description=error)
