"""Slots: the least loaded GPU with room, one holder each, given back by the kernel; no GPU is needed here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from globalmask.config import PRESETS
from globalmask.errors import UserError
from globalmask.network import slots
from globalmask.network.loop import Sample
from globalmask.network.loss import LOSSES
from globalmask.network.slots import Gpu, Place, wait_for_slot
from globalmask.network.unet import UNet, count_weights

GB = 10**9
A, B = Gpu(0, "Fake A", "aaaa", 80 * GB), Gpu(1, "Fake B", "bbbb", 80 * GB)
CHILD = """
import sys
from globalmask.network import slots

slots.free_bytes = lambda gpu: gpu.total_bytes
slots.POLL_SECONDS = 0.05
slots.wait_for_slot([slots.Gpu(0, "Fake A", "aaaa", 80 * 10**9)], 10**9, 2)
print("took", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def box(tmp_path, monkeypatch):
    """A box of its own: empty GPUs by uuid, whose free bytes a test may change; nobody waits."""
    free = {"aaaa": 80 * GB, "bbbb": 80 * GB}
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(slots, "free_bytes", lambda gpu: free[gpu.uuid])
    monkeypatch.setattr(slots, "visible_gpus", lambda: [A, B])
    monkeypatch.setattr(slots, "WAIT_HOURS", 0.0)
    monkeypatch.setattr(slots, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(slots, "_taken", [])
    for name in (slots.PER_GPU, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return free


@pytest.fixture
def take():
    """Take a slot as another job would, and keep it to the end of the test."""
    held = []

    def one(gpus=(A, B), needed_bytes=GB, most=2):
        gpu, handle = wait_for_slot(gpus, needed_bytes, most)
        held.append(handle)
        return gpu.index

    yield one
    for handle in held:
        os.close(handle)


@pytest.fixture
def two_gpus(monkeypatch):
    """torch as on a box with two GPUs; gives the list of what became the current device."""
    current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_jobs_spread_over_the_gpus_until_every_slot_is_taken(take):
    assert [take() for _ in range(4)] == [0, 1, 0, 1]
    with pytest.raises(UserError) as caught:
        take()
    found = f"GPU {{}} (Fake {{}}): 2 of 2 slots are taken (process {os.getpid()}, {os.getpid()})."
    assert str(caught.value) == (
        "No GPU had room for this job within 0 hours.\n"
        f"  found: {found.format(0, 'A')} {found.format(1, 'B')}\n"
        "  expected: a free slot and 1.0 GB on one GPU\n"
        "  what to do: End what holds them, then the same command again; or let more share a GPU: `trainings_per_gpu`."
    )


def test_a_gpu_that_others_fill_is_left_out(take, box):
    box["aaaa"] = GB // 2
    assert [take(), take()] == [1, 1]
    with pytest.raises(UserError, match="room") as caught:
        take()
    assert "GPU 0 (Fake A): 0.5 GB are free, 1.0 GB are needed." in str(caught.value)


def test_jobs_that_start_together_do_not_count_the_same_free_memory(take):
    assert [take(needed_bytes=50 * GB) for _ in range(2)] == [0, 1]
    with pytest.raises(UserError, match=r"30\.0 GB are free"):
        take(needed_bytes=50 * GB)
    assert take(needed_bytes=30 * GB) == 0


def test_a_gpu_without_a_free_slot_is_not_entered(take, monkeypatch):
    take([A], most=1)
    monkeypatch.setattr(slots, "free_bytes", lambda gpu: pytest.fail(f"{gpu} was entered"))
    with pytest.raises(UserError, match="1 of 1 slots"):
        take([A], most=1)


def test_what_wants_a_gpu_alone_stays_alone(take):
    take([A], most=1)
    with pytest.raises(UserError, match="1 of 1 slots"):
        take([A], most=4)
    take([B], most=4)
    with pytest.raises(UserError, match="1 of 1 slots"):
        take([B], most=1)


def test_a_job_that_no_gpu_can_hold_does_not_wait(take):
    with pytest.raises(UserError) as caught:
        take(needed_bytes=81 * GB)
    assert str(caught.value) == (
        "No GPU of this machine is large enough for this job.\n"
        "  found: GPU 0 (Fake A) has 80.0 GB; GPU 1 (Fake B) has 80.0 GB\n"
        "  expected: 81.0 GB or more\n"
        "  what to do: Lower `channels` or `grid.size_voxels`, or set `precision: bf16`."
    )


def test_waiting_is_told_once_and_ends_when_there_is_room(take, box, monkeypatch, capsys):
    box["aaaa"], polls = 0, []
    monkeypatch.setattr(slots, "WAIT_HOURS", 1.0)
    monkeypatch.setattr(slots.time, "sleep", lambda _: polls.append(1) or box.update(aaaa=len(polls) // 3 * GB))
    assert take([A]) == 0
    assert len(polls) == 3
    told = "Waiting for a GPU, 1 hours at most. GPU 0 (Fake A): 0.0 GB are free, 1.0 GB are needed.\n"
    assert capsys.readouterr().err == told


def test_a_gpu_that_cannot_be_entered_has_nothing_free(monkeypatch):
    monkeypatch.undo()

    def full(index):
        raise torch.OutOfMemoryError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    assert slots.free_bytes(A) == 0


def start(folder):
    package = str(Path(slots.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": package, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def test_processes_contend_and_a_killed_one_gives_its_slot_to_the_next(tmp_path):
    first, second = start(tmp_path), start(tmp_path)
    with first, second:
        assert [each.stdout.readline() for each in (first, second)] == ["took\n"] * 2
        with start(tmp_path) as third:
            told = third.stdout.readline()
            assert "2 of 2 slots are taken" in told
            assert all(str(each.pid) in told for each in (first, second))
            first.send_signal(signal.SIGKILL)
            assert third.stdout.readline() == "took\n"
    assert (first.returncode, second.returncode, third.returncode) == (-signal.SIGKILL, 0, 0)


def test_a_process_has_one_slot_and_computes_on_its_gpu(take, two_gpus, monkeypatch):
    monkeypatch.setenv(slots.PER_GPU, "2")
    assert take([A]) == 0
    place = slots.take("cuda", GB)
    assert place == Place(torch.device("cuda", 1), 2)
    assert slots.take("cuda", 70 * GB) is place
    assert two_gpus == [1]


@pytest.mark.parametrize(("device", "workflow"), [("cuda", False), ("auto", True), ("cpu", True)])
def test_by_hand_and_without_device_cuda_no_slot_is_taken(two_gpus, tmp_path, monkeypatch, device, workflow):
    if workflow:
        monkeypatch.setenv(slots.PER_GPU, "1")
    kind = "cpu" if device == "cpu" else "cuda"
    assert slots.take(device, GB) == Place(torch.device(kind), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("visible", "most", "locked"), [(1, "1", False), (2, "1", True), (1, "2", True)])
def test_slurm_gives_a_job_its_gpu(two_gpus, tmp_path, monkeypatch, visible, most, locked):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv(slots.PER_GPU, most)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    assert slots.take("cuda", GB).trainings_per_gpu == int(most)
    assert bool(list(tmp_path.iterdir())) is locked


def test_a_folder_that_somebody_put_there_is_refused(take, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"globalmask-gpu-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="not yours"):
        take()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_training_keeps_is_what_autograd_keeps(precision):
    shape = PRESETS["paper"].model_dump(include={"activation", "norm", "dropout", "output"})
    network, kept = UNet(1, 3, channels=16, **shape), {}
    case = Sample("random", torch.rand(1, 48, 48, 48), torch.randint(0, 3, (48, 48, 48), dtype=torch.uint8))

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = network(case.inputs[None])
        LOSSES["dice"](logits, case.label[None], output="softmax")
    maps = sum(size for place, size in kept.items() if place not in {each.data_ptr() for each in network.parameters()})
    cases = 3 * 48**3 * 5  # inputs float32, label uint8
    needed = slots.training_bytes(network, [case] * 3, precision)
    assert needed - 16 * count_weights(network) - cases == pytest.approx(maps, rel=0.05)
    assert slots.prediction_bytes(network, 48**3) < needed
