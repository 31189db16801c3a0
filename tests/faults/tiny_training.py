"""A training of one second through the command line, its files, and what its result is."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from faults import child
from globalmask.evidence.score import compare
from globalmask.imaging.images import image_like, read_image, write_image
from globalmask.learn.inputs import channels_of, load_case
from globalmask.network import checkpoint, lock
from globalmask.network.model_file import load_model
from globalmask.prepare.facts import scan_facts
from globalmask.provenance import write_json

STEPS, SIDE = 8, 32
STRUCTURES = ["outer", "inner"]
SETTINGS = {
    "scenario": "ct_mask",
    "structures": STRUCTURES,
    "clip_hu": [-200, 200],
    "grid": {"spacing_mm": 3.0, "size_voxels": SIDE},
    "seed": 1,
    "arm": "brain",
    "replicate": 0,
    "train_cases": ["a", "b", "c"],
    "validation_cases": ["d", "e"],
    # All that carries state: batch statistics, dropout, augmentation, a rate that changes.
    "train": {
        "channels": 2,
        "activation": "leaky_relu",
        "norm": "batch",
        "dropout": 0.05,
        "output": "sigmoid",
        "loss": "dice_ce",
        "learning_rate": 0.03,
        "schedule": "one_cycle",
        "augmentation": True,
        "max_steps": STEPS,
        "validate_every": 4,
    },
}
PLACES = ("_Run._step", "_Run._milestone", "Checkpoints.save")


def write_cases(folder: Path) -> None:
    """Prepared scans with a ball in a ball, masks and boxes; case f is for testing."""
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE]
    for number, case in enumerate("abcdef"):
        random = np.random.default_rng(number)
        far = np.sqrt(
            sum((axis - SIDE / 2 - shift) ** 2 for axis, shift in zip((z, y, x), random.uniform(-3, 3, 3), strict=True))
        )
        label = (far < 9).astype(np.uint8) + (far < 4)
        ct = (100 * label - 150 + random.normal(0, 15, label.shape)).astype(np.int16)
        scan, prepared = sitk.GetImageFromArray(ct), folder / "prepared" / case
        write_image(scan, prepared / "ct.nii.gz")
        write_image(sitk.GetImageFromArray(label.astype(np.uint8)), prepared / "label.nii.gz")
        write_json(prepared / "facts.json", scan_facts(scan, scan, None))
        write_image(sitk.GetImageFromArray((far < 12).astype(np.uint8)), folder / "masks" / f"{case}.nii.gz")
        (folder / "masks" / f"{case}.json").write_text(json.dumps({"offset_zyx": [0, 0, 0]}), encoding="utf-8")


def arguments(name: str, settings: dict[str, object] = SETTINGS) -> list[str]:
    """The command that trains into the folder `name`."""
    files = {"prepared": "prepared", "masks": "masks", "out": f"{name}/out", "checkpoint": f"{name}/checkpoint"}
    flags = [word for flag, path in files.items() for word in (f"--{flag}", path)]
    return ["train", *flags, "--device", "cpu", "--settings", json.dumps(settings)]


def start(folder: Path, name: str, before=None, **options):
    """The training in a process of its own."""
    (folder / name).mkdir(exist_ok=True)
    return child.start(arguments(name), folder / name / "log", folder=folder, before=before, **options)


def train(folder: Path, name: str, before=None, settings=SETTINGS) -> tuple[int, str]:
    """The training, to its end or to what `before` has prepared; exit code and what was printed."""
    (folder / name).mkdir(exist_ok=True)
    return child.run(arguments(name, settings), folder=folder, before=before or rare_checkpoints)


def rare_checkpoints() -> None:
    """A checkpoint every third step, so that a killed training has steps to make again."""
    asked = itertools.count()
    save = checkpoint.Checkpoints.save

    def counted_save(self, *given):
        nonlocal asked
        save(self, *given)
        asked = itertools.count()

    checkpoint.Checkpoints.save = counted_save
    checkpoint.Checkpoints.due = lambda self: next(asked) >= 2


def killed_at(place: str, number: int) -> None:
    rare_checkpoints()
    child.Moments(*PLACES, at=(place, number)).watch()


def other_code() -> None:
    from globalmask.learn import train as stage

    stage.code_digest = lambda *_: "other"


def counted(told: Path) -> None:
    rare_checkpoints()
    child.Moments(*PLACES, told=told).watch()


def killed_in_a_write(number: int) -> None:
    """The numberth checkpoint is half on the disk when the process is killed."""
    rare_checkpoints()
    write_bytes, calls = Path.write_bytes, itertools.count(1)

    def half(path, content):
        last = path.parent.name == "checkpoint" and next(calls) == number
        write_bytes(path, content[: len(content) // 2] if last else content)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    Path.write_bytes = half


def asked_to_end(place: str, number: int, which: int) -> None:
    """A signal in the middle of the numberth call of a function of the training."""
    from globalmask.network import loop

    original, calls = getattr(loop._Run, place), itertools.count(1)

    def asked(self, *given):
        if next(calls) == number:
            os.kill(os.getpid(), which)
        return original(self, *given)

    setattr(loop._Run, place, asked)


def slow(seconds: float, **constants: float) -> None:
    """Each step takes so long; constants of the lock."""
    import time

    from globalmask.network import loop

    rare_checkpoints()
    quick(**constants)
    step = loop._Run._step
    loop._Run._step = lambda self: (time.sleep(seconds), step(self))[1]


def quick(host: str | None = None, **constants: float) -> None:
    """Constants of the lock, and another name of this host."""
    for name, value in constants.items():
        setattr(lock, name, value)
    if host:
        lock.socket.gethostname = lambda: host


def result(folder: Path, name: str) -> dict[str, object]:
    """Weights, history without clocks, and the test case's scores."""
    out = folder / name / "out"
    with open(out / "history.csv", encoding="utf-8", newline="") as stream:
        history = [{key: row[key] for key in row if "seconds" not in key} for row in csv.DictReader(stream)]
    network, header = load_model(out / "model.safetensors")
    case = load_case(folder / "prepared", folder / "masks", "f", clip_hu=(-200, 200), size_voxels=SIDE, with_label=True)
    with torch.no_grad():
        logits = network(torch.from_numpy(channels_of("ct_mask", case.ct01, case.mask))[None])
    reference = read_image(folder / "prepared" / "f" / "label.nii.gz")
    predicted = image_like(logits.argmax(1)[0].numpy().astype(np.uint8), reference)
    scores = compare(reference, predicted, structures=STRUCTURES, lost=dict.fromkeys(STRUCTURES))
    return {"weights": header["sha256"], "history": history, "scores": repr(scores)}


def record(folder: Path, name: str) -> dict[str, object]:
    return json.loads((folder / name / "out" / "run.json").read_text(encoding="utf-8"))
