"""A port for a test's own use."""

import random
import socket

# Below those that a system gives to connections unasked (Linux from 32768, others from 49152): whoever connects to
# something meanwhile does not get it.
_PORTS = range(20_000, 32_000)
_CHOICE = random.SystemRandom()  # Hypothesis seeds the other one alike in every process


def unused_port() -> int:
    """One of 127.0.0.1 that nobody has now. Whoever binds it must still be ready to find it taken."""
    while True:
        port = _CHOICE.choice(_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
