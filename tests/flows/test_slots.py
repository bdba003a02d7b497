"""Who may be on which GPU: locks of the kernel, so that no crash leaves one taken."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from contextvars import copy_context
from threading import Thread

import pytest

from flows.devices import devices, own_need
from flows.line import FEW_SHOT, FULL, SWEEP, Line, rank
from flows.slots import Device, Need, NotYours, claim, listing

GIB = 2**30
GPUS = (Device("a", 16, 16 * GIB, "0"), Device("b", 16, 16 * GIB, "1"))
CORES = (Device("cpu", 4),)


def gpu(gib):
    return Need(int(gib * GIB), 1)


@pytest.fixture
def take(tmp_path):
    """Claim a slot in a folder of this test's."""
    held = []  # else a slot would be let go as soon as nothing names it

    def take(need, job="some job", devices=GPUS):
        held.append(claim(tmp_path, devices, need, job))
        return held[-1]

    return take


def test_jobs_go_to_the_emptiest_gpu_and_share_one_only_where_their_memory_fits(take):
    first, second, third = take(gpu(9)), take(gpu(9)), take(gpu(6))
    assert (first.device.name, second.device.name) == ("a", "b")
    assert third.device.name in {"a", "b"}
    assert take(gpu(8)) is None
    assert take(gpu(6.5)).fraction == 7 / 16  # 7 GiB were left on the other
    assert take(gpu(2)) is None


def test_a_job_that_needs_more_than_there_is_gets_a_whole_gpu(take):
    assert take(gpu(100)).fraction == 1
    small = take(gpu(0.001))
    assert (small.device.name, small.fraction) == ("b", 1 / 16)
    assert take(gpu(100)) is None
    small.close()
    assert take(gpu(100)).device.name == "b"


def test_on_a_cpu_jobs_hold_cores(take):
    held = [take(Need(0, cores=2), devices=CORES) for _ in range(2)]
    assert all(held)
    assert take(Need(0, cores=1), devices=CORES) is None
    held[0].close()
    assert take(Need(0, cores=1), devices=CORES)


def test_a_listing_says_which_job_holds_what(take, tmp_path):
    slot = take(gpu(2), "adapt rte seed 0")
    shares = listing(tmp_path, GPUS)
    assert len(shares) == 32
    held = [one for one in shares if not one.free]
    assert [(one.device, one.number, one.job) for one in held] == [
        ("a", 0, "adapt rte seed 0"), ("a", 1, "adapt rte seed 0"),
    ]  # fmt: skip
    assert held[0].pid == os.getpid()
    slot.close()
    assert all(one.free and not one.job for one in listing(tmp_path, GPUS))


# What a flow does: it claims, and starts a job that inherits the locks and watches its input.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from flows.slots import Device, Need, claim

slot = claim(Path(sys.argv[1]), [Device("cpu", 1)], Need(0, 1), "a job")
watch = "import sys; print('up', flush=True); sys.stdin.read()" if sys.argv[2] == "watches" else (
    "import time; print('up', flush=True); time.sleep(60)")
job = subprocess.Popen([sys.executable, "-c", watch], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, pass_fds=slot.descriptors)
job.stdout.readline()
print(job.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("job", ["watches", "sleeps"])
def test_a_slot_is_held_for_as_long_as_the_job_lives_whoever_started_it(tmp_path, job):
    device = [Device("cpu", 1)]
    flow = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), job], stdout=subprocess.PIPE, text=True
    )
    pid = int(flow.stdout.readline())
    assert claim(tmp_path, device, Need(0, 1), "another") is None
    flow.kill()
    flow.communicate()
    if job == "sleeps":  # an orphan: its GPU is not free
        time.sleep(0.2)
        assert claim(tmp_path, device, Need(0, 1), "another") is None
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while not (slot := claim(tmp_path, device, Need(0, 1), "another")):
        assert time.monotonic() < until, "the lock outlived the job"
        time.sleep(0.01)
    slot.close()


def test_a_folder_of_locks_that_is_somebody_elses_is_refused(take, tmp_path):
    if os.getuid():
        pytest.skip("only root can give a folder away")
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(NotYours, match="PROMPT_TRANSFER_SLOTS"):
        take(gpu(1))


def test_the_lowest_rank_is_first_and_little_jobs_fill_the_gaps(tmp_path, take):
    line, order = Line(), []
    busy = take(gpu(9)), take(gpu(9))  # 7 GiB are left on each

    def wait(name, need, urgency):
        rank.set(urgency)  # a thread has a context of its own
        with line.standing(need, name, tmp_path) as place:
            while not (slot := line.take(place, tmp_path, GPUS)):
                time.sleep(0.01)
        order.append(name)
        with slot:
            time.sleep(0.3)

    waiting = [("sweep", 16, SWEEP), ("full", 16, FULL), ("few-shot", 16, FEW_SHOT)]
    threads = [Thread(target=wait, args=(name, gpu(gib), at)) for name, gib, at in waiting]
    for one in threads:
        one.start()
        time.sleep(0.05)
    copy_context().run(wait, "little", gpu(1), SWEEP)
    assert order == ["little"]
    busy[0].close()
    for one in threads:
        one.join(10)
    assert order == ["little", "few-shot", "full", "sweep"]


def test_a_gpu_that_gets_free_goes_to_the_more_urgent_of_two_flows(tmp_path, take):
    sweep, few_shot = Line(), Line()  # each has locks of its own, as if of another process
    order = []

    def wait(name, line, urgency):
        rank.set(urgency)
        with line.standing(gpu(16), name, tmp_path) as place:
            while not (slot := line.take(place, tmp_path, GPUS[:1])):
                time.sleep(0.01)
        order.append(name)
        slot.close()

    for _ in range(5):
        busy = take(gpu(16), devices=GPUS[:1])
        threads = [
            Thread(target=wait, args=("sweep", sweep, SWEEP)),
            Thread(target=wait, args=("few-shot", few_shot, FEW_SHOT)),
        ]
        for one in threads:
            one.start()
            time.sleep(0.2)
        busy.close()
        for one in threads:
            one.join(10)
    assert order == 5 * ["few-shot", "sweep"]


def test_a_gpu_is_not_idle_for_an_urgent_job_that_it_has_no_room_for(tmp_path, take):
    take(gpu(4), devices=GPUS[:1])

    sweep, few_shot = Line(), Line()
    with ExitStack() as standing:

        def stand(line, need, urgency):
            rank.set(urgency)
            return standing.enter_context(line.standing(need, "a job", tmp_path))

        urgent = copy_context().run(stand, few_shot, gpu(16), FEW_SHOT)
        little = copy_context().run(stand, sweep, gpu(1), SWEEP)
        began = time.monotonic()
        while not (slot := sweep.take(little, tmp_path, GPUS[:1])):
            assert few_shot.take(urgent, tmp_path, GPUS[:1]) is None
            time.sleep(0.01)
        slot.close()
    assert 0.5 < time.monotonic() - began < 5


def test_what_is_given_to_one_who_leaves_is_free_again(tmp_path):
    line = Line()
    with (
        line.standing(gpu(16), "first", tmp_path),
        line.standing(gpu(16), "second", tmp_path) as second,
    ):
        assert line.take(second, tmp_path, GPUS[:1]) is None  # it is the first one's
        assert len([one for one in listing(tmp_path, GPUS) if not one.free]) == 16
    assert all(one.free for one in listing(tmp_path, GPUS))


def test_gpus_can_be_pretended(monkeypatch):
    monkeypatch.setenv("PROMPT_TRANSFER_GPUS", "24,80")
    assert [(one.bytes // GIB, one.visible) for one in devices()] == [(24, "0"), (80, "1")]
    assert own_need(30 * GIB).shares(devices()[1]) == 6
    assert own_need(30 * GIB).shares(devices()[0]) == 16


def test_without_gpus_there_are_the_cores(monkeypatch):
    monkeypatch.setenv("PROMPT_TRANSFER_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert devices() == (Device("cpu", os.cpu_count()),)
    assert own_need(0).shares(devices()[0]) == 1
