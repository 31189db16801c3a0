"""Every kind of job of one small run, each met by a full disk, a size limit, a read-only folder, a vanished input.

The commands are those that the run itself recorded. Also on that run: one core or two give the same numbers, and
`globalmask verify` finds what was changed by hand.
"""

from __future__ import annotations

import csv
import functools
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import Checkout
from faults import child
from globalmask import provenance, verify

SMALL = Path(__file__).with_name("small.yaml")
RUN = Path("results/small")
COMMANDS = (
    *("phantom", "check-case", "check-cohort", "write-split", "make-template", "register", "prepare-ct"),
    *("prepare-label", "mask-threshold", "coarsen-ct", "coarsen-label", "train-mask-network", "mask-learned"),
    *("measure-mask", "train", "predict-cell", "features", "score", "gather-scores", "floors", "gather-floors"),
    *(
        "write-plan",
        "analyse",
        "judge-claims",
        "make-tables",
        "make-figures",
        "make-sheets",
        "make-report",
        "make-paper",
    ),
)
PAGE = os.sysconf("SC_PAGE_SIZE")
pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def whole(repository, tmp_path_factory):
    """A checkout with the finished small run, made on two cores."""
    child.preload(
        *("ants", "SimpleITK", "torch", "pandas", "statsmodels.api", "matplotlib.figure", "seaborn", "pymeshmetrics"),
        *("globalmask.learn.predict", "globalmask.present.figures", "globalmask.present.report", "faults.warm"),
        *("globalmask.evidence.analysis", "globalmask.evidence.floors", "globalmask.prepare.register"),
    )
    checkout = Checkout(repository, tmp_path_factory.mktemp("whole"))
    # The feature maps, temporary as they are, are kept: one command reads them.
    checkout.snakemake("--configfile", str(SMALL), "--notemp")
    return checkout.folder


@pytest.fixture(scope="module")
def jobs(whole):
    """One record of each command; of the brain where both arms have one: its few structures are sooner measured."""
    made = sorted(verify.records(whole / RUN).items(), reverse=True)
    return {record["command"]: record for _, record in made}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A folder that is a file system of its own where one can be mounted, and a function that mounts it anew."""
    folder = tmp_path_factory.mktemp("disk")

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode

    mounted = os.geteuid() == 0 and mount("size=1g") == 0
    yield folder, mount if mounted else None
    if mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_file_system_can_be_mounted(disk):
    if disk[1] is None:
        pytest.skip("full disks and read-only folders are left out: only root may mount a file system")


def test_all_commands_are_met(jobs):
    assert set(jobs) == set(COMMANDS)


class Bench:
    """A copy of the run's files in which one job is done again."""

    def __init__(self, whole: Path, record: dict, folder: Path) -> None:
        self.record, self.folder = record, folder
        (folder / RUN).mkdir(parents=True)
        for name in record["inputs"]:
            place = folder / RUN / name if (whole / RUN / name).exists() else folder / name
            source = whole / RUN / name if (whole / RUN / name).exists() else whole / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
        (folder / "workflow").symlink_to(whole / "workflow")
        self.before = self.files()
        self.sizes = {name: (whole / RUN / name).stat().st_size for name in record["outputs"]}

    def files(self) -> set[Path]:
        return {path for path in (self.folder / RUN).rglob("*") if path.is_file()}

    def largest(self) -> int:
        """Bytes of the largest output."""
        return max(self.sizes.values())

    def run(self, before=None) -> tuple[int, str]:
        words = [self.record["command"], *self.record["arguments"]]
        return child.run(words, folder=self.folder, environment={"GLOBALMASK_RUN": str(RUN)}, before=before)

    def made(self) -> dict[str, str]:
        """The outputs that are there, by their digest."""
        places = {name: self.folder / RUN / name for name in self.record["outputs"]}
        return {name: provenance.sha256(path) for name, path in places.items() if path.exists()}

    def whole_or_absent(self) -> bool:
        """Nothing but declared outputs as they shall be, and checkpoints, which may wait for the next start."""
        new = {path.relative_to(self.folder / RUN).as_posix() for path in self.files() - self.before}
        foreign = {name for name in new - set(self.record["outputs"]) if not name.startswith("checkpoints/")}
        return not foreign and same(self.made(), self.record["outputs"]) and not any(".partial-" in x for x in new)


def same(made: dict[str, str], wanted: dict[str, str]) -> bool:
    """Equal digests; a training's record and history hold clocks, so those count as they are."""
    timed = ("run.json", "history.csv", "analysis.json")
    return all(digest == wanted[name] or name.endswith(timed) for name, digest in made.items())


def limited(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill(folder, left):
    """Leave so many bytes of a file system."""
    ballast = folder / "ballast"
    free = shutil.disk_usage(folder).free
    with open(ballast, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free - left)
    return ballast


def on_a_full_disk(bench, mount):
    folder = bench.folder.parent
    ballast = fill(folder, bench.largest() // 2 // PAGE * PAGE)
    outcome = bench.run()
    ballast.unlink()
    return "The disk is full.", outcome


def in_a_read_only_folder(bench, mount):
    mount("remount,ro")
    outcome = bench.run()
    mount("remount,rw")
    return "The folder can only be read.", outcome


def with_a_size_limit(bench, mount):
    return "larger than this shell or file system allows", bench.run(functools.partial(limited, bench.largest() // 2))


def without_an_input(bench, mount):
    path = bench.folder / RUN / next(iter(bench.record["inputs"]))
    kept = path.read_bytes()
    path.unlink()
    outcome = bench.run()
    path.write_bytes(kept)
    return path.name, outcome


GOES_ON_WITHOUT = {
    "check-case": "it tells the missing scan in its facts, and check-cohort stops",
    **dict.fromkeys(
        ("analyse", "make-tables", "make-figures", "make-sheets", "make-report", "make-paper"),
        "what is there of a half-finished run can be looked at",
    ),
}


def faults_of(bench, mount):
    """What is done to this job."""
    yield with_a_size_limit
    if mount:
        yield from (on_a_full_disk, in_a_read_only_folder)
    if bench.record["inputs"] and bench.record["command"] not in GOES_ON_WITHOUT:
        yield without_an_input


@pytest.mark.parametrize("command", COMMANDS)
def test_a_clear_error_nothing_half_written_and_on_it_goes(whole, jobs, disk, tally, command):
    folder, mount = disk
    bench = Bench(whole, jobs[command], folder / command)
    survived = {}
    for fault in faults_of(bench, mount):
        what, (code, printed) = fault(bench, mount)
        block = code == 2 and what in printed and "what to do" in printed and "Traceback" not in printed
        survived[fault.__name__] = block and bench.whole_or_absent()
    code, printed = bench.run()
    made = bench.made()
    lost, changed = len(set(bench.record["outputs"]) - set(made)), not same(made, bench.record["outputs"])
    for fault, good in survived.items():
        tally.fault(f"{command} {fault}", survived=good and code == 0, lost=lost, changed=int(changed))
    shutil.rmtree(bench.folder)
    assert all(survived.values()), survived
    assert (code, lost, changed) == (0, 0, False), printed


def test_one_core_or_two_give_the_same_numbers(whole, repository, tmp_path, tally):
    again = Checkout(repository, tmp_path)
    for arm in ("brain", "heart"):
        shutil.copytree(whole / RUN / arm / "raw", tmp_path / RUN / arm / "raw")
    again.snakemake("scores", "--configfile", str(SMALL), cores=1)
    names = [path.relative_to(whole) for path in (whole / RUN).rglob("*") if path.name in KEPT]
    assert len(names) == 8
    changed = [name for name in names if (whole / name).read_bytes() != (tmp_path / name).read_bytes()]
    tally.fault("one core in place of two", survived=not changed, lost=0, changed=len(changed))
    assert not changed


KEPT = ("scores.csv", "model.safetensors")


def verified(whole):
    """Exit code and lines of `globalmask verify`."""
    code, text = child.run(["verify", str(RUN)], folder=whole)
    return code, text.splitlines()


def test_an_untouched_run_matches(whole):
    code, lines = verified(whole)
    assert code == 0 and len(lines) == 1 and "0 do not match" in lines[0]


def swapped(path):
    """The other scan of the arm: a file of its kind, whole and readable."""
    others = [other for other in path.parents[1].rglob(path.name) if other != path]
    return others[0].read_bytes()


def other_mask(path):
    return next(other for other in path.parent.glob("*.nii.gz") if other != path).read_bytes()


def better_dice(path):
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    rows[1][rows[0].index("dice")] = "0.99"
    return "".join(",".join(row) + "\n" for row in rows).encode()


BY_HAND = {
    "a changed scan": ("brain/raw/brain_02/ct.nii.gz", swapped, "phantom", "brain/prepared/brain_02/ct.nii.gz"),
    "a replaced mask": ("brain/masks/base/brain_01.nii.gz", other_mask, "mask-threshold", "model.safetensors"),
    "an edited prediction": (
        *("heart/modern/ct_mask/n2/r0/native/heart_04.nii.gz", lambda path: path.read_bytes()[::-1]),
        *("predict-cell", "heart/modern/ct_mask/n2/r0/scores.csv"),
    ),
    "edited scores": ("scores.csv", better_dice, "gather-scores", "analysis.csv"),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_verify_finds_what_was_changed_by_hand(whole, tally, what):
    name, change, maker, user = BY_HAND[what]
    path = whole / RUN / name
    kept = path.read_bytes()
    path.write_bytes(change(path))
    try:
        assert path.read_bytes() != kept
        code, lines = verified(whole)
        users = [file for file, job in verify.records(whole / RUN).items() if name in job["inputs"]]
    finally:
        path.write_bytes(kept)
    found = code == 1 and len(lines) == 2 and lines[0].startswith(f"{name} is not as {maker} wrote it; made from it")
    tally.fault(what, survived=found, lost=0, changed=0)
    assert found, lines
    assert any(file.endswith(user) for file in users)


def test_verify_misses_a_deleted_input_of_what_stands(whole):
    path = whole / RUN / "brain" / "prepared" / "brain_01" / "ct.nii.gz"
    aside = path.rename(whole / "aside")
    try:
        code, lines = verified(whole)
    finally:
        aside.rename(path)
    assert code == 1 and lines[0].startswith("brain/prepared/brain_01/ct.nii.gz is gone; made from it as it was:")


def test_every_result_names_what_made_it(whole):
    maker = verify.records(whole / RUN)
    results = {path.relative_to(whole / RUN) for path in (whole / RUN).rglob("*") if path.is_file()}
    results = {path.as_posix() for path in results if path.parts[0] != provenance.RECORDS}
    assert results <= maker.keys()
    code, text = child.run(["made-by", str(RUN / "report.html")], folder=whole)
    assert code == 0 and '"command": "make-report"' in text
