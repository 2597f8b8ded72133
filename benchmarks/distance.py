"""A server that is far away: what is sent to it, and what it answers, arrives later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HOST = "127.0.0.1"


@contextmanager
def distant(port: int, round_trip: float) -> Iterator[int]:
    """A port of this machine that leads to another one, so many seconds of round trip away."""
    if not round_trip:
        yield port
        return
    loop = asyncio.new_event_loop()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection(_HOST, port)
        await asyncio.gather(
            _carry(reader, onward[1], round_trip / 2), _carry(onward[0], writer, round_trip / 2)
        )

    server = loop.run_until_complete(asyncio.start_server(connected, _HOST, 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Everything, in its order, each piece so much later; at the end, the end."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        with suppress(ConnectionError):
            while True:
                due, piece = await under_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        writer.close()

    arriving = asyncio.create_task(arrive())
    piece = b"-"
    while piece:
        try:
            piece = await reader.read(65536)
        except ConnectionError:
            piece = b""
        under_way.put_nowait((loop.time() + seconds, piece))
    await arriving
