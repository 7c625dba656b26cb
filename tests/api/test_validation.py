"""Decoding of bodies, and error messages for all fields."""

from typing import Any

import pytest
from msgspec import UNSET

from pileus.api.validation import body_validation_problem, convert_body, decode_body, translate_parameter_errors
from pileus.api.validation_errors import MAX_PATH_LENGTH, NO_LINE_BREAK, find_field_errors
from pileus.api.wire.compute.instance_requests import (
    CreateInstance,
    InstancePowerActionRequest,
    StartInstance,
    UpdateInstance,
)
from pileus.api.wire.compute.ssh_key_requests import ShareSSHKey
from pileus.api.wire.network.interface_requests import (
    AttachAnySubnetInterface,
    AttachExternalInterface,
    AttachInterface,
    AttachReservedFixedIPInterface,
    AttachSubnetInterface,
    with_inferred_interface_type,
)
from pileus.api.wire.network.ports import SetAllowedAddressPairs
from pileus.domain.errors import Invalid
from pileus.domain.names import NAME_PATTERN

NOT_A_STRING = ["Input should be a valid string"]
NUL_ERROR = ["String should not contain NUL characters"]
ID = "726ecfcc-7fd0-4e30-a86e-7892524aa483"


def errors_of(body: bytes, type_: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        decode_body(body, type_)
    return caught.value


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"{}", {"flavor": ["Field required"], "interfaces": ["Field required"], "volumes": ["Field required"]}),
        (
            b'{"flavor": 1, "interfaces": [], "volumes": {}, "name": "x"}',
            {
                "flavor": ["Input should be a valid string"],
                "name": [f"String should match pattern '{NAME_PATTERN.removesuffix(NO_LINE_BREAK)}'"],
                "interfaces": ["List should have at least 1 item after validation, not 0"],
                "volumes": ["Input should be a valid list"],
            },
        ),
        (
            b'{"flavor": "f", "interfaces": [{"type": "subnet"}], "volumes": [{"source": "image", "size": 0}]}',
            {
                "interfaces": {"0": {"network_id": ["Field required"], "subnet_id": ["Field required"]}},
                "volumes": {
                    "0": {"image_id": ["Field required"], "size": ["Input should be greater than or equal to 1"]}
                },
            },
        ),
        (
            b'{"flavor": "f", "interfaces": [{}, 7], "volumes": [{"source": "disk"}], "tags": {"a": 1}}',
            {
                "tags": {"a": ["Input should be a valid string"]},
                "interfaces": {
                    "0": ["Unable to extract tag using discriminator 'type'"],
                    "1": ["Input should be a valid dictionary or object to extract fields from"],
                },
                "volumes": {
                    "0": [
                        (
                            "Input tag 'disk' found using 'source' does not match any of the expected tags: "
                            "'new-volume', 'image', 'snapshot', 'apptemplate', 'existing-volume'"
                        )
                    ]
                },
            },
        ),
    ],
)
def test_all_errors_of_a_new_instance_are_reported(body: bytes, fields: dict[str, Any]) -> None:
    problem = errors_of(body, CreateInstance)

    assert problem.fields == fields
    assert problem.message == f"Validation Error: {fields}"


@pytest.mark.parametrize(
    ("body", "type_", "fields"),
    [
        (b'{"name": null}', UpdateInstance, {"name": ["Input should be a valid string"]}),
        (b'{"tags": []}', UpdateInstance, {"tags": ["Input should be a valid dictionary"]}),
        (b'{"tags": {"a": 1, "b": []}}', UpdateInstance, {"tags": {"a": NOT_A_STRING, "b": NOT_A_STRING}}),
        (
            b"[]",
            UpdateInstance,
            {"body": ["Input should be a valid dictionary or object to extract fields from"]},
        ),
        (b"3", dict[str, str], {"body": ["Input should be a valid dictionary"]}),
        (
            b'{"action": "explode"}',
            InstancePowerActionRequest,
            {"action": ["Input should be 'start', 'stop', 'reboot', 'reboot_hard', 'suspend' or 'resume'"]},
        ),
        (b'{"shared_in_project": "maybe"}', ShareSSHKey, {"shared_in_project": ["Input should be a valid boolean"]}),
        (
            b'{"allowed_address_pairs": [%s]}' % b",".join([b'{"ip_address": "10.0.0.1"}'] * 11),
            SetAllowedAddressPairs,
            {"allowed_address_pairs": ["List should have at most 10 items after validation, not 11"]},
        ),
        (
            b'{"type": "external", "port_group": 4}',
            AttachInterface,
            {"port_group": ["Input should be less than or equal to 3"]},
        ),
        (
            b'{"type": "external", "port_group": "x"}',
            AttachInterface,
            {"port_group": ["Input should be a valid integer"]},
        ),
        (
            b'{"type": "external", "interface_name": "%s"}' % (b"x" * 38),
            AttachInterface,
            {"interface_name": ["String should have at most 37 characters"]},
        ),
    ],
)
def test_an_error_is_reported_by_field_with_the_public_text(body: bytes, type_: Any, fields: dict[str, Any]) -> None:
    assert errors_of(body, type_).fields == fields


@pytest.mark.parametrize(
    "body",
    [
        b"   ",
        b"{",
        b'{"name": }',
        b'{"name": 5, "tags": }',
        b"\xff\xfe",
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\x00b"}',
        b'{"deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "\\u0000", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": 7, "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_invalid_json_is_rejected(body: bytes) -> None:
    (texts,) = errors_of(body, UpdateInstance).fields.values()

    assert texts[0].startswith("JSON decode error: ")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (rb'{"tags": {"a": "x\u0000"}}', {"tags": {"a": NUL_ERROR}}),
        (rb'{"tags": {"a": "x\u0000", "a\u0000": "\u0000"}}', {"tags": NUL_ERROR}),
        (rb'{"other": ["", "\u0000"]}', {"other": {"1": NUL_ERROR}}),
        (rb'{"\u0000": 1}', {"body": NUL_ERROR}),
    ],
)
def test_nul_characters_are_rejected_anywhere(body: bytes, fields: dict[str, Any]) -> None:
    assert errors_of(body, UpdateInstance).fields == fields


def test_the_path_of_an_error_is_cut_where_it_gets_too_long() -> None:
    problem = errors_of(b'{"a":' * 200 + rb'"\u0000"' + b"}" * 200, UpdateInstance)

    assert problem.message.count("'a'") == MAX_PATH_LENGTH


def test_an_escaped_backslash_before_u0000_is_not_nul() -> None:
    assert decode_body(rb'{"tags": {"a": "\\u0000"}}', UpdateInstance).tags == {"a": r"\u0000"}


def test_absence_null_and_the_text_null_are_distinguished() -> None:
    assert decode_body(b"{}", UpdateInstance).tags is UNSET
    assert decode_body(b'{"tags": null}', UpdateInstance).tags is None
    assert decode_body(b'{"tags": {"a": "null", "b": null}}', UpdateInstance).tags == {"a": "null", "b": None}


def test_an_empty_body_is_rejected_without_fields() -> None:
    problem = errors_of(b"", UpdateInstance)

    assert problem.message == "Validation Error: Invalid JSON: EOF while parsing a value at line 1 column 0"
    assert problem.fields == {}


def test_an_empty_body_is_the_default_if_one_is_given() -> None:
    assert decode_body(b"", StartInstance, default=StartInstance()) == StartInstance()


def test_a_final_line_break_in_a_name_is_rejected() -> None:
    assert list(errors_of(b'{"name": "abc\\n"}', UpdateInstance).fields) == ["name"]


def test_numbers_and_booleans_may_be_sent_as_text() -> None:
    body = b'{"flavor": "f", "interfaces": [{"type": "external"}], "volumes": [{"source": "new-volume", "size": "5"}]}'

    assert decode_body(body, CreateInstance).volumes[0].size == 5  # type: ignore[union-attr]
    assert decode_body(b'{"shared_in_project": "true"}', ShareSSHKey).shared_in_project


def test_an_error_without_a_field_is_still_reported() -> None:
    assert find_field_errors({"x": 1}, dict[str, Any]) == {}
    assert body_validation_problem({"x": 1}, dict[str, Any], "What msgspec said").fields == {
        "body": ["What msgspec said"]
    }


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        ({}, AttachExternalInterface),
        ({"subnet_id": ID}, AttachSubnetInterface),
        ({"subnet_id": ID, "network_id": ID}, AttachSubnetInterface),
        ({"network_id": ID}, AttachAnySubnetInterface),
        ({"port_id": ID}, AttachReservedFixedIPInterface),
        ({"type": "any_subnet", "network_id": ID, "subnet_id": ID}, AttachAnySubnetInterface),
    ],
)
async def test_the_type_of_an_interface_follows_from_its_id_field(raw: dict[str, Any], type_: type) -> None:
    assert isinstance(await convert_body(with_inferred_interface_type(raw), AttachInterface), type_)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Expected `int`, got `str`", "Input should be a valid integer"),
        ("Expected `int` <= 1000", "Input should be less than or equal to 1000"),
        ("Something new", "Something new"),
    ],
)
def test_parameter_errors_of_the_framework_are_translated(message: str, expected: str) -> None:
    assert translate_parameter_errors([{"key": "limit", "message": message, "source": "query"}]) == {
        "limit": [expected]
    }
