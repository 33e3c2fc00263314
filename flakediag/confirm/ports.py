"""A port held on loopback by our own process, so that whoever wants it finds it taken."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from flakediag.errors import UsageError


@contextlib.contextmanager
def held(port: int) -> Iterator[None]:
    """Bind and listen on 127.0.0.1 (and on ::1 where there is one) while the block runs; never beyond loopback.

    Raises `UsageError` where the port is not free: then somebody else holds it, and the experiment would show nothing.
    """
    if not 0 < port < 65536:
        raise UsageError(f"{port} is no port")
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                holder = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind((address, port))
                holder.listen(16)
            except OSError as error:
                if family == socket.AF_INET6:
                    continue  # no IPv6 here
                raise UsageError(
                    f"port {port} on 127.0.0.1 cannot be held: {error.strerror or error}",
                    "somebody uses it now: end that first, or try another one with --port",
                ) from error
        yield
