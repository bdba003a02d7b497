"""All servers of a home: started, watched, and stopped together."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

from flows import events
from flows.servers import flow_runs, health, preparing, record, reviving
from flows.servers.children import Child, stop
from flows.servers.databases import mlflow_database, prefect_database
from flows.servers.plan import Program, Site
from flows.settings import Settings, open_lineage
from flows.watched import Stamp, Watching
from pipelines.locks import hold

WATCH = 1.0  # seconds between two looks at what runs


def serve(
    settings: Settings,
    ports: tuple[int, int],
    runs: int | None,
    ready: Callable[[record.Record], None],
    say: Callable[[str], None],
) -> None:
    """Start all, and stay until KeyboardInterrupt; then, and whatever happens, stop all.

    Args:
        settings: of this process.
        ports: of Prefect and of MLflow.
        runs: flow runs at once; None is as before.
        ready: called once all is healthy.
        say: called with a line about what happened.

    Raises:
        AlreadyUp: it is up in this home.
        ValueError: a port is taken, or a database or the passwords' file is no good.
        ProgramEnds, NotHealthy: something does not run.
    """
    home = settings.home.resolve()
    # A shell that starts us by `&` has Ctrl-C ignored; inherited, no worker would heed SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # its terminal is closed; but for nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    with preparing.alone(home, say) as lock:
        servers = Servers(preparing.site(home, *ports), settings, lock)
        try:
            servers.start(runs)
            ready(servers.told(healthy=True))
            while True:
                time.sleep(WATCH)
                servers.watch(say)
        finally:
            servers.stop()


class Servers:
    """What `up` has started.

    Args:
        site: where.
        settings: of this process.
        lock: a descriptor for all of them to inherit.
    """

    def __init__(self, site: Site, settings: Settings, lock: int) -> None:
        self._site, self._settings, self._lock = site, settings, lock
        self._clients = site.for_clients(settings)
        self._children: list[Child] = []
        self._watching = Watching.read()
        self._seen: Stamp = ()

    def start(self, runs: int | None) -> None:
        """Start side by side what can be, and the others as soon as they can; wait for all."""
        site, folder = self._site, record.folder(self._site.home)
        prefect = site.prefect_server(prefect_database())
        mlflow = site.mlflow_server(mlflow_database(site.home), folder)
        first = self._begin(prefect)
        third = self._begin(site.registering(self._clients, runs))
        with (
            open_lineage(self._settings) as lineage,  # whose tables may be new too
            # MLflow's server makes its tables as it starts: nobody else may do so meanwhile.
            hold(lineage.database.engine, lineage.locks, "mlflow", wait=health.LONGEST),
        ):
            second = self._begin(mlflow)
            health.wait_for(first, lambda: health.answers(prefect.health))
            health.wait_for(third, lambda: health.has_pool(site))
            self._go_on()
            began, worker = datetime.now(UTC), self._begin(site.worker(self._clients))
            health.wait_for(second, lambda: health.answers(mlflow.health))
        health.wait_for(third, lambda: third.status == 0)
        self._children.remove(third)
        health.wait_for(worker, lambda: health.has_worker(site, began))

    def watch(self, say: Callable[[str], None]) -> None:
        """Start again what has ended; have the server look at task files that have changed.

        Raises:
            ProgramEnds: it does so too often.
        """
        for child in self._children:
            if child.status is not None and not child.program.health:
                self._go_on()  # the next worker knows nothing of the runs of this one
            if said := child.watch():
                say(said)
                self.told(healthy=True)
        if (seen := self._watching.stamp()) != self._seen:
            self._seen = seen
            events.tell_changed("task-files", self._clients)

    def told(self, healthy: bool) -> record.Record:
        """Tell other commands what is up, and return it."""
        known = record.Record(
            pid=os.getpid(),
            programs={child.program.name: child.pid for child in self._children},
            addresses=self._site.addresses if healthy else {},
            environment=self._clients if healthy else {},
        )
        record.write(self._site.home, known)
        return known

    def stop(self) -> None:
        """Stop all: the worker first, so that its runs can still say how they ended."""
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        workers = [one.pid for one in self._children if not one.program.health]
        stop([*workers, *flow_runs.alive(self._site.home).values()])
        stop(one.pid for one in self._children)
        record.remove(self._site.home)

    def _go_on(self) -> None:
        """Start again the runs that have no process any more; while there is no worker."""
        alive = flow_runs.alive(self._site.home)
        reviving.bury(self._clients, alive)
        reviving.revive(self._clients, alive)

    def _begin(self, program: Program) -> Child:
        child = Child(program, record.folder(self._site.home), self._lock)
        self._children.append(child)
        child.start()
        self.told(healthy=False)
        return child
