"""The baseline of the benchmarks answers each request that is measured."""

import httpx
from bench.servers import make_baseline

INSTANCE = "/cloud/v1/instances/1/1/00000000-0000-4000-8000-000000000000"


async def test_the_baseline_answers_fixed_bytes_after_it_has_read_the_request() -> None:
    transport = httpx.ASGITransport(make_baseline(b"fixed"))  # type: ignore[arg-type]  # two types of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://pileus.test") as client:
        answers = [
            await client.get(INSTANCE),
            await client.patch(INSTANCE, json={"tags": {"key": "value"}}),
        ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content == b"fixed"
