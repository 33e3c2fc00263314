"""The workers of a Dask cluster: Dask moves the work of a worker that is gone to another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec

from flakediag.errors import UsageError
from flakediag.fleet.work import Outcome, Task, killed, report_of

_PATIENCE = 30  # seconds to wait for the scheduler


def run(scheduler: str) -> Callable[[Sequence[Task]], Iterable[Outcome]]:
    """What reports tasks on the cluster whose scheduler is at this address; outcomes come as they are ready.

    TLS and its certificates come from Dask's own configuration. Raises `UsageError` where Dask is not installed.
    """
    if find_spec("distributed") is None:
        raise UsageError(
            "--scheduler needs Dask distributed, which is not installed",
            "install it with: pip install 'flakediag[fleet]'; or leave it out for the processes of this machine",
        )

    def map_(tasks: Sequence[Task]) -> Iterator[Outcome]:
        from distributed import Client, KilledWorker, as_completed

        try:
            client = Client(scheduler, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {scheduler}: {error}", "start one: dask scheduler"
            ) from error
        with client:
            # Impure: the history may have changed since the cluster answered the same question last.
            futures = client.map(report_of, tasks, pure=False)
            of_future = dict(zip((future.key for future in futures), tasks, strict=True))
            for future in as_completed(futures):  # type: ignore[no-untyped-call]
                try:
                    yield future.result()
                except KilledWorker:
                    yield killed(of_future[future.key])
                future.release()

    return map_
