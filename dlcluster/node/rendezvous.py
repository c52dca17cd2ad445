"""The store where torchrun's agents meet: torch's TCPStore, served on the head without torch.

    python3 rendezvous.py FD NODES        (FD: the listening socket, already bound)

The head does not train: it needs no torch, and a store that starts in 0.1 s instead of importing torch is up before the
first agent calls. The protocol is that of `TCPStore` clients since torch 2.4 (TCPStoreBackend.hpp, QueryType): integers
little-endian, strings with a length of 8 bytes. What the c10d rendezvous asks is served; all else ends the connection.
Ranks do not use this store for their process groups (TORCH_DISABLE_SHARE_RDZV_TCP_STORE).

An agent that has entered itself looks for the others once a second. Here it needs not: the answer to its entry waits
until all have entered, and shows them all. To the agent that is a slow network, which it has to bear anyhow.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Any

MAGIC = 0x3C85F7CE
LONGEST = 64 << 20  # bytes of a key or value
MOST = 1 << 16  # keys in one request
HOLD = 1.5  # seconds an entry's answer waits at most: meanwhile the agent hears no signal
READY, NOT_READY = b"\0", b"\1"
STOP_WAITING, WAIT_CANCELED = b"\0", b"\1"


class Store:
    """Keys and values of all clients, and who waits for which keys. nodes: how many agents are to meet."""

    def __init__(self, nodes: int) -> None:
        self.values: dict[bytes, bytes] = {}
        self.missing: dict[asyncio.StreamWriter, set[bytes]] = {}
        self.nodes = nodes
        self.entered: set[Client] = set()
        self.all_entered = asyncio.Event()

    def set(self, key: bytes, value: bytes) -> None:
        """Set a key; a client whose last missing key it is gets its answer."""
        self.values[key] = value
        for writer, keys in list(self.missing.items()):
            keys.discard(key)
            if not keys:
                del self.missing[writer]
                writer.write(STOP_WAITING)

    async def enter(self, client: Client) -> None:
        """A client has written itself into the state of the rendezvous: wait for the others, if any are missing."""
        self.entered.add(client)
        if len(self.entered) >= self.nodes:
            self.all_entered.set()
        try:
            await asyncio.wait_for(self.all_entered.wait(), HOLD)
        except asyncio.TimeoutError:  # noqa: UP041 - not TimeoutError before Python 3.11
            pass

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up."""
        client = Client(self, reader, writer)
        try:
            while True:
                kind = (await reader.readexactly(1))[0]
                await client.COMMANDS[kind](client)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has hung up
        except (KeyError, ValueError) as error:
            print("ended a connection:", repr(error), flush=True)
        finally:
            self.missing.pop(writer, None)
            writer.close()


class Client:
    """One connection: reads the arguments of a command, writes its answer."""

    def __init__(self, store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.store, self.reader, self.writer = store, reader, writer

    async def number(self, kind: str) -> int:
        """The next integer; kind: its struct format."""
        value: int = struct.unpack("<" + kind, await self.reader.readexactly(struct.calcsize("<" + kind)))[0]
        return value

    async def text(self) -> bytes:
        """The next key or value."""
        size = await self.number("Q")
        if size > LONGEST:
            raise ValueError(f"a value of {size} bytes")
        return await self.reader.readexactly(size)

    async def keys(self) -> list[bytes]:
        count = await self.number("Q")
        if count > MOST:
            raise ValueError(f"{count} keys in one request")
        return [await self.text() for _ in range(count)]

    def say(self, kind: str, number: int) -> None:
        self.writer.write(struct.pack("<" + kind, number))

    def tell(self, value: bytes) -> None:
        self.writer.write(struct.pack("<Q", len(value)) + value)

    async def validate(self) -> None:
        if await self.number("I") != MAGIC:
            raise ValueError("not a TCPStore client")

    async def ping(self) -> None:
        self.say("I", await self.number("I"))

    async def set(self) -> None:
        self.store.set(await self.text(), await self.text())

    async def compare_set(self) -> None:
        key, expected, desired = await self.text(), await self.text(), await self.text()
        if self.store.values.get(key, b"") == expected:
            self.store.set(key, desired)
            if expected:  # else it has only made the key
                await self.store.enter(self)
        self.tell(self.store.values.get(key, expected))

    async def get(self) -> None:
        self.tell(self.store.values[await self.text()])

    async def add(self) -> None:
        key, amount = await self.text(), await self.number("q")
        total = int(self.store.values.get(key, b"0")) + amount
        self.store.set(key, b"%d" % total)
        self.say("q", total)

    async def check(self) -> None:
        self.writer.write(READY if all(key in self.store.values for key in await self.keys()) else NOT_READY)

    async def wait(self) -> None:
        missing = {key for key in await self.keys() if key not in self.store.values}
        if missing:
            self.store.missing[self.writer] = missing
        else:
            self.writer.write(STOP_WAITING)

    async def cancel_wait(self) -> None:
        self.store.missing.pop(self.writer, None)
        self.writer.write(WAIT_CANCELED)

    async def count(self) -> None:
        self.say("q", len(self.store.values))

    async def delete(self) -> None:
        self.say("q", int(self.store.values.pop(await self.text(), None) is not None))

    async def append(self) -> None:
        key, value = await self.text(), await self.text()
        self.store.set(key, self.store.values.get(key, b"") + value)

    async def multi_get(self) -> None:
        for key in await self.keys():
            self.tell(self.store.values[key])

    async def multi_set(self) -> None:
        for _ in range(await self.number("Q")):
            await self.set()

    COMMANDS: dict[int, Any] = {  # noqa: RUF012
        0: validate,
        1: set,
        2: compare_set,
        3: get,
        4: add,
        5: check,
        6: wait,
        7: count,
        8: delete,
        9: append,
        10: multi_get,
        11: multi_set,
        12: cancel_wait,
        13: ping,
    }


async def main(descriptor: int, nodes: int) -> None:
    listener = socket.socket(fileno=descriptor)
    server = await asyncio.start_server(Store(nodes).serve, sock=listener, backlog=1024)
    print("rendezvous on", *listener.getsockname(), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
