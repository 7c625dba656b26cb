"""Tags: merge patch, replacement, and the rules for keys and values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.errors import Invalid
from pileus.domain.tags import Tag, TagPatch, Tags, make_tags, merged_tags, replaced_tags, validate_tags

EXISTING = make_tags({"env": "prod", "team": "a"}.items()) | make_tags([("os_type", "linux")], read_only=True)


def writable_values(tags: Tags) -> dict[str, str]:
    return {key: tag.value for key, tag in tags.items() if not tag.read_only}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, {"env": "prod", "team": "a"}),
        ({"env": "test"}, {"env": "test", "team": "a"}),
        ({"new": "1"}, {"env": "prod", "team": "a", "new": "1"}),
        ({"env": None}, {"team": "a"}),
        ({"missing": None}, {"env": "prod", "team": "a"}),
        ({"env": None, "team": None, "only": "this"}, {"only": "this"}),
        ({"os_type": "windows"}, {"env": "prod", "team": "a"}),
        ({"os_type": None, "env": None}, {"team": "a"}),
        (None, {}),
    ],
)
def test_patch_sets_removes_or_keeps_tags(patch: TagPatch | None, expected: dict[str, str]) -> None:
    patched = merged_tags(EXISTING, patch)

    assert writable_values(patched) == expected
    assert patched["os_type"] == Tag("os_type", "linux", read_only=True)


@pytest.mark.parametrize("tags", [{}, {"a": "1"}, {"env": "prod"}, {"os_type": "windows", "a": "1"}])
def test_replacement_keeps_only_read_only_tags(tags: dict[str, str]) -> None:
    patched = replaced_tags(EXISTING, tags)

    assert writable_values(patched) == {key: value for key, value in tags.items() if key != "os_type"}
    assert patched["os_type"] == EXISTING["os_type"]


def test_patch_does_not_modify_its_arguments() -> None:
    before = dict(EXISTING)

    merged_tags(EXISTING, {"env": None, "new": "1"})
    merged_tags(EXISTING, None)

    assert before == EXISTING


KEYS = st.sampled_from(["a", "b", "c", "os_type"])
PATCHES = st.none() | st.dictionaries(KEYS, st.sampled_from(["1", "2"]) | st.none())


@given(st.lists(PATCHES, max_size=6))
def test_patches_behave_like_a_dictionary(patches: list[dict[str, str | None] | None]) -> None:
    tags: Tags = make_tags([("os_type", "linux")], read_only=True)
    model: dict[str, str] = {}
    for patch in patches:
        tags = merged_tags(tags, patch)
        model = {} if patch is None else {k: v for k, v in {**model, **patch}.items() if v is not None}
        model.pop("os_type", None)

    assert writable_values(tags) == model
    assert tags["os_type"] == Tag("os_type", "linux", read_only=True)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"a": "b"}, {"a": "b"}),
        ({"  a ": "  b c "}, {"a": "b c"}),
        ({"capgc/cluster.x:y": "z"}, {"capgc/cluster.x:y": "z"}),
        ({"a": None}, {"a": None}),
        ({" a ": None}, {"a": None}),
        ({"k" * 255: "v" * 255}, {"k" * 255: "v" * 255}),
        ({" " + "k" * 255: "v" * 255 + " "}, {"k" * 255: "v" * 255}),
        ({"a": "x=y"}, {"a": "x=y"}),
        ({"ключ": "значение"}, {"ключ": "значение"}),
        ({}, {}),
    ],
)
def test_spaces_at_the_ends_are_stripped(sent: dict[str, str | None], kept: dict[str, str | None]) -> None:
    assert validate_tags(sent) == kept


def test_duplicate_keys_after_stripping_are_rejected() -> None:
    with pytest.raises(Invalid, match="differ by more than blanks"):
        validate_tags({"a": "1", " a": "2"})


@pytest.mark.parametrize("key", ["", " ", "a b", "a=b", "=", "a\tb", "a\n", "\na", "a\u00a0b", "a\u2028", "k" * 256])
@pytest.mark.parametrize("value", ["v", None])
def test_invalid_key_is_rejected(key: str, value: str | None) -> None:
    with pytest.raises(Invalid, match="Tag key must have") as refused:
        validate_tags({key: value})

    assert list(refused.value.fields) == ["tags"]


@pytest.mark.parametrize("value", ["", "  ", "a\tb", "a\nb", "a\n", "\na", "\t", "a\r", "a\f", "\va", "v" * 256])
def test_invalid_value_is_rejected(value: str) -> None:
    with pytest.raises(Invalid, match="Tag value must have"):
        validate_tags({"key": value})


def test_each_error_is_reported_once() -> None:
    with pytest.raises(Invalid) as refused:
        validate_tags({"a b": "", "c d": "", "e": ""}, "labels")

    assert list(refused.value.fields) == ["labels"]
    assert len(refused.value.fields["labels"]) == 2
    assert refused.value.message == f"Validation Error: {refused.value.fields}"


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12)))
def test_valid_tags_match_the_published_rule(tags: dict[str, str]) -> None:
    try:
        kept = validate_tags(tags)
    except Invalid:
        return
    for key, value in kept.items():
        assert key
        assert not any(sign.isspace() or sign == "=" for sign in key)
        assert value.strip(" ") == value != ""
        assert not set("\t\n\r\f\v") & set(value)
