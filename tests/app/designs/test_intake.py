"""From an async body to a thread: order, bounds, and every way it can end early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from starlette.requests import ClientDisconnect

from app.designs.intake import pump
from app.errors import UploadIncomplete


async def body(*pieces: bytes, ends: BaseException | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if ends is not None:
        raise ends


def run(
    source: AsyncIterator[bytes],
    consume: Callable[[Iterable[bytes]], object],
    announced: int | None = None,
) -> object:
    return asyncio.run(pump(source, consume, announced=announced, chunk_bytes=4, queue_chunks_max=2))


def join(source: Iterable[bytes]) -> bytes:
    return b"".join(source)


class TestPump:
    def test_gives_every_byte_in_order(self) -> None:
        assert run(body(b"ab", b"", b"cdef", b"g"), join, announced=7) == b"abcdefg"

    def test_gathers_small_pieces(self) -> None:
        assert run(body(*[b"x"] * 10), list) == [b"xxxx", b"xxxx", b"xx"]

    def test_takes_an_empty_body(self) -> None:
        assert run(body(), join, announced=0) == b""

    @pytest.mark.parametrize("announced", [6, 8])
    def test_ends_the_consumer_where_the_length_is_wrong(self, announced: int) -> None:
        with pytest.raises(UploadIncomplete, match=f"7 bytes of the {announced}"):
            run(body(b"abcdefg"), join, announced=announced)

    def test_ends_the_consumer_where_the_client_leaves(self) -> None:
        seen: list[bytes] = []

        def consume(source: Iterable[bytes]) -> None:
            seen.extend(source)

        with pytest.raises(UploadIncomplete, match="8 bytes"):
            run(body(b"abcd", b"efgh", ends=ClientDisconnect()), consume)
        assert seen == [b"abcd", b"efgh"]

    def test_stops_reading_where_the_consumer_fails(self) -> None:
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 1
                yield b"abcd"
                await asyncio.sleep(0)

        def consume(source: Iterable[bytes]) -> None:
            next(iter(source))
            raise ValueError

        with pytest.raises(ValueError):
            run(endless(), consume)
        assert taken < 10_000

    def test_reads_no_further_ahead_than_the_queue_holds(self) -> None:
        given = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal given
            for _ in range(100):
                given += 1
                yield b"abcd"

        leads: list[int] = []

        def consume(source: Iterable[bytes]) -> None:
            for taken, _ in enumerate(source, start=1):
                leads.append(given - taken)

        run(counted(), consume)
        assert max(leads) <= 4

    def test_ends_the_consumer_where_the_request_is_cancelled(self) -> None:
        ended: list[BaseException] = []
        end = threading.Event()

        def consume(source: Iterable[bytes]) -> None:
            try:
                list(source)
            except UploadIncomplete as error:
                ended.append(error)
                end.set()
                raise

        async def stalled() -> AsyncIterator[bytes]:
            yield b"abcd"
            await asyncio.Event().wait()

        async def cancel() -> None:
            task = asyncio.ensure_future(
                pump(stalled(), consume, announced=None, chunk_bytes=1, queue_chunks_max=2)
            )
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(end.wait, 5)

        asyncio.run(asyncio.wait_for(cancel(), 10))
        assert len(ended) == 1
