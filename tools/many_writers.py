"""64 processes ingest into one server at once, and the server is restarted while they do: is anything lost or doubled?

    python tools/many_writers.py [--writers 64] [--restarts 2]

Starts a PostgreSQL of its own on this machine (it has to be installed), without fsync: a restart is `pg_ctl -m
immediate`, which is a crash of the server and not of the machine. Every process stores runs that all the others store
as well, and runs of its own. The history must then be that of one process that stored everything into a file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "history"))

from history_samples import counts_of, failed, passed, report, sound, store, suite, told, window_of
from private_server import missing, private_server

from flakediag.model import RunReport

SHARED = [suite(f"shared {n}", hours=n, fails=("test_a",)) for n in range(5)]


def own(writer: int) -> list[RunReport]:
    cases = [failed("test_own", message=f"at {writer}"), *(passed(f"test_{n}") for n in range(50))]
    return [report(f"own {writer} {n}", *cases, hours=100 * writer + n) for n in range(5)]


def ingest(address: str, writer: int, barrier: Barrier) -> None:
    barrier.wait()
    mixed = [each for pair in zip(SHARED, own(writer), strict=True) for each in pair]
    for each in mixed if writer % 2 else mixed[::-1]:
        store(address, each)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--restarts", type=int, default=2)
    options = parser.parse_args()
    if why := missing():
        print(why, file=sys.stderr)
        return 2
    spawn = multiprocessing.get_context("spawn")
    with private_server() as server, tempfile.TemporaryDirectory() as folder:
        barrier = spawn.Barrier(options.writers + 1)
        workers = [spawn.Process(target=ingest, args=(server.address, n, barrier)) for n in range(options.writers)]
        for worker in workers:
            worker.start()
        barrier.wait()
        begun = time.monotonic()
        for _ in range(options.restarts):
            time.sleep(1.5)
            server.stop("immediate")
            server.start()
        for worker in workers:
            worker.join()
        seconds = time.monotonic() - begun
        broken = [worker.exitcode for worker in workers if worker.exitcode]
        alone = Path(folder) / "alone.db"
        store(alone, *SHARED, *(each for n in range(options.writers) for each in own(n)))
        counts = counts_of(server.address)
        same = counts == counts_of(alone) and told(window_of(server.address)) == told(window_of(alone))
        right = same and sound(server.address) and not broken
        print(
            f"{options.writers} writers, {10 * options.writers} ingests, {options.restarts} restarts, {seconds:.1f} s:"
            f" {counts.runs} runs, {counts.results} results, {counts.failures} failures;"
            f" {len(broken)} writers failed; {'nothing lost, nothing doubled' if right else 'NOT THE SAME'}"
        )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
