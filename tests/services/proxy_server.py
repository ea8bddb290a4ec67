"""A network that fails, between a client and a server: ``python proxy_server.py PORT TARGET_PORT``.

Requests pass it whole and are counted. ``PUT /-/faults`` sets, as JSON, what goes wrong from then on:

- ``latency``: seconds that each request takes longer;
- ``resets``: the share of requests whose connection is reset before they reach the server;
- ``throttled``: the share that is refused with 503, with ``retry_after`` seconds in the answer if that is given;
- ``lost``: the share that the server carries out while its answer never arrives;
- ``cut``: the share of answers that break off in the middle of their body;
- ``seed``: where the dice begin.

``GET /-/counts`` tells the number of requests by their method, and of each fault; ``DELETE /-/counts`` forgets them.
"""

import asyncio
import json
import random
import sys
from collections import Counter

LIMIT = 1 << 26


class Proxy:
    def __init__(self, target):
        self.target = target
        self.faults = {}
        self.dice = random.Random(0)
        self.counts = Counter()

    def control(self, method, path, body):
        if path == "/-/faults" and method == "PUT":
            self.faults = json.loads(body or b"{}")
            self.dice = random.Random(self.faults.get("seed", 0))
        elif path == "/-/counts" and method == "DELETE":
            self.counts.clear()
        told = json.dumps(self.counts).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told

    def falls(self, fault):
        share = self.faults.get(fault, 0)
        fell = share > 0 and self.dice.random() < share
        self.counts[fault] += fell
        return fell

    def refusal(self):
        told = b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>"
        wait = self.faults.get("retry_after")
        more = b"" if wait is None else b"Retry-After: %d\r\n" % wait
        return b"HTTP/1.1 503 Slow Down\r\n%bContent-Length: %d\r\n\r\n" % (more, len(told)) + told

    async def serve(self, reader, writer):
        server = None
        try:
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError:
                    return
                method, path, _ = head.split(b" ", 2)
                headers = fields(head)
                if headers.pop(b"expect", None):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    head = b"\r\n".join(
                        line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:")
                    )
                body = await message_body(reader, headers)
                if path.startswith(b"/-/"):
                    writer.write(self.control(method.decode(), path.decode(), body))
                    continue
                self.counts[method.decode()] += 1
                self.counts["requests"] += 1
                if self.faults.get("latency"):
                    await asyncio.sleep(self.faults["latency"])
                if self.falls("resets"):
                    return writer.transport.abort()
                if self.falls("throttled"):
                    writer.write(self.refusal())
                    continue
                if server is None:
                    server = await asyncio.open_connection("127.0.0.1", self.target, limit=LIMIT)
                server[1].write(head)
                server[1].write(body)
                await server[1].drain()
                answer = await server[0].readuntil(b"\r\n\r\n")
                status = int(answer.split(b" ", 2)[1])
                told = fields(answer)
                empty = method == b"HEAD" or status in (204, 304)
                content = b"" if empty else await message_body(server[0], told, until_end=True)
                if self.falls("lost"):
                    return writer.transport.abort()
                if len(content) > 1 and self.falls("cut"):
                    writer.write(answer + content[: len(content) // 2])
                    await writer.drain()
                    return writer.transport.abort()
                writer.write(answer)
                writer.write(content)
                await writer.drain()
                if told.get(b"connection", b"").lower() == b"close":
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            for end in (writer, server and server[1]):
                if end:
                    end.close()


def fields(head):
    """The headers, by their names in lower case."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


async def message_body(reader, headers, until_end=False):
    """The body as it travels, chunks and all."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        parts = []
        while True:
            size = await reader.readuntil(b"\r\n")
            parts.append(size)
            length = int(size.split(b";")[0], 16)
            if length == 0:
                while parts[-1] != b"\r\n":
                    parts.append(await reader.readuntil(b"\r\n"))
                return b"".join(parts)
            parts.append(await reader.readexactly(length + 2))
    if b"content-length" in headers:
        return await reader.readexactly(int(headers[b"content-length"]))
    return await reader.read() if until_end else b""


async def main(port, target):
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=LIMIT, backlog=256)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
