"""A node's process for tests of the environment around it: keeps to the protocol, holds no data.

Answers every HTTP request with who it is and what it was asked, on handed-over connections (TLS)
and on its local socket (plain). A file ``misbehave`` in its folder holds what to do wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

from aiohttp import web

from isthmus.control.addresses import Address
from isthmus.control.nodes import decode_node_settings
from isthmus.door.handover import HandoverListener
from isthmus.door.routing import DoorPort
from isthmus.settings import NodeSettings


async def _run(settings: NodeSettings) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(0, lambda: stop.set() if not os.read(0, 4096) else None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.proxy_certificate_path, settings.proxy_key_path)

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.json_response(
            {
                "cluster_id": settings.cluster_id,
                "pid": os.getpid(),
                "path": request.raw_path,
                "headers": dict(request.headers),
                "body_bytes": len(await request.read()),
            }
        )

    server = web.Server(answer, access_log=None)
    tasks = set()

    def handed_over(_port: DoorPort, connection: socket.socket, _client: Address | None) -> None:
        task = loop.create_task(loop.connect_accepted_socket(server, connection, ssl=context))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    handover = HandoverListener(settings.handover_socket_path, handed_over)
    handover.start()
    settings.local_socket_path.unlink(missing_ok=True)
    local = await loop.create_unix_server(server, str(settings.local_socket_path))
    password = settings.directory / "elastic.password"
    if password.exists():
        (settings.directory / "seen.password").write_text(password.read_text())
        password.unlink()
    port = settings.loopback_port
    if port is not None:
        listener = socket.create_server(("127.0.0.1", port))
        port = listener.getsockname()[1]
    print(json.dumps({"ready": True, "loopback_port": port}), flush=True)  # noqa: T201
    print("serving", file=sys.stderr, flush=True)  # noqa: T201
    await stop.wait()
    handover.close()
    local.close()
    await server.shutdown(1)
    (settings.directory / "stopped").touch()
    return 0


def main() -> int:
    """Do as told by the folder named in the last argument."""
    directory = Path(sys.argv[-1])
    misbehave = directory / "misbehave"
    wrong = misbehave.read_text() if misbehave.exists() else ""
    if wrong == "exit":
        print("no disk", file=sys.stderr)  # noqa: T201
        return 3
    if wrong == "ignore_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(json.dumps({"ready": True}), flush=True)  # noqa: T201
        while True:
            signal.pause()
    return asyncio.run(_run(decode_node_settings((directory / "node.json").read_bytes())))


if __name__ == "__main__":
    sys.exit(main())
