"""The layout of ids: form, cell, time, order and random bits."""

import os
from collections.abc import Callable
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.ids import CELLS, END_OF_TIME, IdMaker, make_ordered_id, make_random_id, parse_id_cell, parse_id_time
from tests.domain.builders import NOW

TIMES = st.integers(0, END_OF_TIME - 1)
BYTES = st.binary(min_size=16, max_size=16)
CELL_NUMBERS = st.integers(0, CELLS - 1)
ALL_ZERO, ALL_ONE = bytes(16), b"\xff" * 16


def is_version_4(identity: str) -> bool:
    """Return whether an id is a UUID of version 4 in the text form of the standard library."""
    parsed = UUID(identity)
    return (str(parsed), parsed.version, parsed.variant) == (identity, 4, RFC_4122)


def random_bits(make: Callable[[bytes], str]) -> int:
    """Count the bits of an id that its random bytes determine."""
    return (UUID(make(ALL_ZERO)).int ^ UUID(make(ALL_ONE)).int).bit_count()


def an_id_maker(*ticks: int, cell: int = 0) -> IdMaker:
    """Return a maker whose clock shows these times."""
    times = iter(ticks)
    return IdMaker(lambda: next(times), os.urandom, cell)


@given(BYTES, CELL_NUMBERS)
def test_a_random_id_is_a_uuid_of_version_4_with_its_cell(random_bytes: bytes, cell: int) -> None:
    identity = make_random_id(random_bytes, cell)

    assert is_version_4(identity)
    assert parse_id_cell(identity) == cell


@given(TIMES, BYTES, CELL_NUMBERS)
def test_an_ordered_id_is_a_uuid_of_version_4_with_its_cell_and_time(
    micros: int, random_bytes: bytes, cell: int
) -> None:
    identity = make_ordered_id(micros, random_bytes, cell)

    assert is_version_4(identity)
    assert (parse_id_cell(identity), parse_id_time(identity)) == (cell, micros)


@given(TIMES, TIMES, st.tuples(BYTES, BYTES), st.tuples(CELL_NUMBERS, CELL_NUMBERS))
def test_ordered_ids_sort_by_time_as_text_and_as_numbers(
    micros: int, other_micros: int, random_bytes: tuple[bytes, bytes], cells: tuple[int, int]
) -> None:
    earlier, later = sorted((micros, other_micros))
    first, second = map(make_ordered_id, (earlier, later), random_bytes, cells)

    assert earlier == later or first < second
    assert earlier == later or UUID(first).int < UUID(second).int


def test_ids_have_the_random_bits_of_their_layout() -> None:
    assert random_bits(make_random_id) == 106
    assert random_bits(lambda random_bytes: make_ordered_id(NOW, random_bytes)) == 54


def test_an_id_looks_as_the_layout_says() -> None:
    assert make_random_id(ALL_ONE, 0x1234) == "ffffffff-ffff-4fff-bfff-1234ffffffff"
    assert make_ordered_id(0x123456789ABCD, ALL_ZERO, 0xFFFF) == "12345678-9abc-4d00-8000-ffff00000000"


@pytest.mark.parametrize("micros", [-1, END_OF_TIME])
def test_a_time_that_no_id_can_hold_is_refused(micros: int) -> None:
    with pytest.raises(ValueError, match=str(micros)):
        make_ordered_id(micros, ALL_ZERO)


@pytest.mark.parametrize("cell", [-1, CELLS])
def test_a_cell_that_no_id_can_hold_is_refused(cell: int) -> None:
    with pytest.raises(ValueError, match=str(cell)):
        an_id_maker(cell=cell)


@given(st.lists(TIMES.filter(lambda micros: micros < END_OF_TIME - 1000), min_size=2, max_size=50))
def test_ids_of_a_process_increase_whatever_the_clock_shows(ticks: list[int]) -> None:
    maker = an_id_maker(*ticks)

    ids = [maker.new_ordered_id() for _ in ticks]

    assert ids == sorted(set(ids))


def test_ids_within_one_microsecond_increase_and_differ_from_those_of_another_process() -> None:
    makers = [IdMaker(lambda: NOW, os.urandom, cell=7) for _ in range(2)]

    ids_by_process = [[maker.new_ordered_id() for _ in range(1000)] for maker in makers]

    assert all(ids == sorted(ids) for ids in ids_by_process)
    assert len({identity for ids in ids_by_process for identity in ids}) == 2000


def test_random_ids_of_a_process_have_its_cell_and_differ() -> None:
    maker = an_id_maker(cell=7)

    ids = {maker.new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {parse_id_cell(identity) for identity in ids} == {7}
