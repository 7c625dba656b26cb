"""Rules of faults of HTTP: which requests are hit, and for how long they wait."""

from itertools import accumulate, pairwise

from msgspec.structs import replace

from pileus.domain.http_faults import HttpFault


def a_fault(**changes: object) -> HttpFault:
    return replace(HttpFault(id="f-1", kind="respond", created_at=0), **changes)


def hits_of(fault: HttpFault, requests: int) -> list[bool]:
    """Return of each request whether it is hit."""
    states = list(accumulate(range(requests), lambda state, _: state.counted(), initial=fault))
    return [after.hits > before.hits for before, after in pairwise(states)]


def test_a_fault_without_conditions_hits_every_request() -> None:
    assert hits_of(a_fault(), 4) == [True] * 4


def test_the_first_requests_are_skipped() -> None:
    assert hits_of(a_fault(skip=2), 4) == [False, False, True, True]


def test_a_probability_hits_that_part_of_many_requests_and_the_same_ones_again() -> None:
    fault = a_fault(probability=0.25, seed=11)

    hits = hits_of(fault, 4000)

    assert 900 < sum(hits) < 1100
    assert hits_of(fault, 4000) == hits
    assert hits_of(replace(fault, seed=12), 4000) != hits


def test_a_fault_is_used_up_after_its_last_hit() -> None:
    fault = a_fault(times=2)

    assert [fault.is_used_up, fault.counted().is_used_up, fault.counted().counted().is_used_up] == [False, False, True]


def test_a_delay_is_fixed_or_a_random_time_of_a_range() -> None:
    fixed = a_fault(kind="delay", seconds=2.5)
    ranged = a_fault(kind="delay", seconds=1.0, max_seconds=3.0, seed=5)

    delays = [replace(ranged, matches=number).delay() for number in range(1, 500)]

    assert fixed.delay() == 2.5
    assert all(1.0 <= delay < 3.0 for delay in delays)
    assert max(delays) - min(delays) > 1.9
    assert delays == [replace(ranged, matches=number).delay() for number in range(1, 500)]
