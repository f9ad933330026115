"""From an async request body to a thread that stores it: a bounded queue, so memory stays constant at any
size.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.errors import UploadIncomplete

Result = TypeVar("Result")
_Item = bytes | BaseException | None


def cut_off(received: int, announced: int | None) -> UploadIncomplete:
    """Give the error of an upload that ended early, or went on too long."""
    of = "" if announced is None else f" of the {announced} announced"
    return UploadIncomplete(
        f"{received} bytes{of} arrived before the upload ended; nothing was stored",
        field="body",
        remedy="send the whole file again: the revision is still a draft",
    )


async def pump(
    source: AsyncIterator[bytes],
    consume: Callable[[Iterable[bytes]], Result],
    *,
    announced: int | None,
    chunk_bytes: int,
    queue_chunks_max: int,
) -> Result:
    """Feed `source` to `consume`, which runs in a thread, and give what it returns.

    At most `queue_chunks_max` pieces of about `chunk_bytes` wait at one time. When the client goes away, or
    sends another number of bytes than `announced`, `consume` sees UploadIncomplete raised by its source. When
    `consume` raises, reading stops and its error is raised here.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[_Item] = asyncio.Queue(queue_chunks_max)
    worker = asyncio.ensure_future(run_in_threadpool(consume, _pieces(queue, loop)))
    try:
        async for item in _items(source, announced, chunk_bytes):
            if not await _offer(queue, item, worker):
                break
        return await worker
    except asyncio.CancelledError:
        _abort(queue)
        raise


async def _items(
    source: AsyncIterator[bytes], announced: int | None, chunk_bytes: int
) -> AsyncIterator[_Item]:
    """Gather the body into pieces; the last item is None, or the error that ended it."""
    gathered, received = bytearray(), 0
    try:
        async for piece in source:
            received += len(piece)
            gathered += piece
            if len(gathered) >= chunk_bytes:
                yield bytes(gathered)
                gathered.clear()
    except ClientDisconnect:
        yield cut_off(received, announced)
        return
    if announced is not None and received != announced:
        yield cut_off(received, announced)
        return
    if gathered:
        yield bytes(gathered)
    yield None


async def _offer(queue: asyncio.Queue[_Item], item: _Item, worker: asyncio.Future[Result]) -> bool:
    """Wait for room in the queue; False where the consumer has ended and takes no more."""
    put: asyncio.Future[None] = asyncio.ensure_future(queue.put(item))
    both: set[asyncio.Future[Any]] = {put, worker}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if put.done():
        return True
    put.cancel()
    return False


def _abort(queue: asyncio.Queue[_Item]) -> None:
    """Make room and tell the consumer that no more will come."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(cut_off(0, None))


def _pieces(queue: asyncio.Queue[_Item], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """Read the queue from the consumer's thread."""
    while True:
        taken: Future[_Item] = asyncio.run_coroutine_threadsafe(queue.get(), loop)
        item = taken.result()
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
