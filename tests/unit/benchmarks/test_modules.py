"""The parts of the benchmark that need no other library: demo, planning, memory, GPU, the page of profiles."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from benchmarks import budget, demo, gpu, planning, where_time_goes
from benchmarks.demo import Job
from globalmask.config import PRESETS
from globalmask.learn.pilot import Pace
from globalmask.matrix import cells


def test_shares_of_a_demo_by_hand():
    jobs = [Job(10.0, 10.0, "a"), Job(8.0, 8.0, "b"), Job(20.0, 9.0, "a")]
    found = demo.shares(jobs, {"a": 1.0, "b": 2.0}, planning=5.0, cores=2)
    assert found == pytest.approx({"pure work": 46.0, "imports": 8.0, "planning": 10.0, "idle": 36.0})


def test_a_job_is_not_longer_than_its_imports():
    found = demo.shares([Job(1.0, 1.0, "a")], {"a": 3.0}, planning=0.0, cores=1)
    assert (found["pure work"], found["imports"]) == (0, 100)


def test_a_run_that_was_broken_off_is_refused(tmp_path):
    for number, (end, seconds) in enumerate([(100, 100), (260, 90)]):
        path = tmp_path / f"{number}.benchmark.tsv"
        path.write_text(f"s\tmax_rss\n{seconds}\t1\n", encoding="utf-8")
        os.utime(path, (end, end))
    with pytest.raises(RuntimeError, match="stood still for 70 s"):
        demo.jobs_of(tmp_path)
    os.utime(tmp_path / "1.benchmark.tsv", (240, 240))
    assert [job.start for job in demo.jobs_of(tmp_path)] == [0, 150]


def test_every_benchmark_file_of_the_workflow_has_a_module_that_exists(repository):
    paths = {
        "logs/demo/brain/register/brain_1.benchmark.tsv": "prepare.register",
        "logs/demo/heart/masks/full-f0/train_k0.benchmark.tsv": "masks.learned",
        "logs/demo/heart/masks/full-f0/heart_1.quality.benchmark.tsv": "masks.quality",
        "logs/demo/brain/modern/ct/n1/r0/train.benchmark.tsv": "learn.train",
        "logs/demo/gather_scores.benchmark.tsv": "evidence.score",
        "logs/demo/write_plan.benchmark.tsv": "provenance",
    }
    assert {path: demo.module_of(path) for path in paths} == paths
    for module in demo.STAGES.values():
        assert importlib.util.find_spec(f"globalmask.{module}"), module


def test_seconds_to_a_dice_that_was_never_reached_are_infinite():
    history = [{"train_seconds": 5.0, "val_dice": 0.4}, {"train_seconds": 9.0, "val_dice": 0.6}]
    assert budget.seconds_to(history, 0.5) == 9.0
    assert budget.seconds_to(history, 0.7) == float("inf")


@pytest.mark.workflow
def test_planning_the_paper_s_matrix_counts_its_jobs(tmp_path):
    planning.experiment(tmp_path)
    found = planning.call(tmp_path, 1, "--dry-run")
    trainings = 33 + 6
    assert found.jobs > 3 * trainings
    assert found.bytes > 20e6
    assert found.cpu_seconds > 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_growth_is_the_memory_that_a_call_needs(repository):
    # In a process of its own: the kernel takes idle pages of a large one away meanwhile.
    call = "peak.grown(lambda: numpy.ones(40_000_000, numpy.uint8).sum())"
    code = ["-c", f"import numpy; from benchmarks import peak; print({call})"]
    child = subprocess.run([sys.executable, *code], cwd=repository, capture_output=True, encoding="utf-8", check=True)
    assert 39e6 < int(child.stdout) < 48e6


def test_operations_of_a_step_are_those_of_the_convolutions_by_hand():
    settings = PRESETS["paper"].model_copy(update={"channels": 2})
    widths, side, outputs = [2, 4, 8, 16, 32], 32, 4

    def convolution(inputs, out, voxels, kernel=27):
        return 2 * kernel * inputs * out * voxels

    forward, first = 0, convolution(1, 2, side**3)
    for level, width in enumerate(widths):
        voxels = (side // 2**level) ** 3
        before = 1 if level == 0 else widths[level - 1]
        forward += convolution(before, width, voxels) + convolution(width, width, voxels)
        if level < 4:
            # widened: each coarse voxel gives 8 fine ones
            forward += convolution(2 * width, width, voxels // 8, kernel=8)
            forward += convolution(2 * width, width, voxels) + convolution(width, width, voxels)
    forward += convolution(2, outputs, side**3, kernel=1)
    # The gradient of the weights and that of the inputs cost as much again, but the image needs no gradient.
    assert gpu.operations_of_a_step(settings, 32) == 3 * forward - first
    assert gpu.operations_of_a_step(settings, 64) == 8 * (3 * forward - first)


def test_hours_of_the_paper_s_matrix_by_hand():
    asked = []

    def pace(settings, **shape):
        asked.append(shape["size_voxels"])
        return Pace(step_seconds=1.0, validation_seconds=0.0, memory_mb=0.0)

    assert gpu.projected_hours(gpu.CONFIGS["paper"], pace) == pytest.approx((33 * 30_000 + 6 * 6_000) / 3600)
    assert asked == [128, 128, 128]
    assert gpu.published_hours() == pytest.approx(485.5)


def test_hours_of_the_evidence_count_every_cell(repository):
    settings = gpu.config.read(gpu.CONFIGS["evidence"])
    planned = cells(settings, {name: arm.sizes for name, arm in settings.arms.items()})
    steps = sum(settings.variants[cell.variant].settings.max_steps for cell in planned)
    hours = gpu.projected_hours(gpu.CONFIGS["evidence"], lambda *_, **__: Pace(1.0, 0.0, 0.0))
    assert hours == pytest.approx(steps / 3600)


def test_the_gpu_s_lines_run_on_the_cpu_at_tiny_sizes():
    found = gpu.measure("cpu", size=32, channels=2, steps=1, product=64, rounds=1, together=(2,))
    assert set(found) == {"flops", "memory", "together2"}
    assert found["flops"][0] > 0
    assert found["together2"][0] > 0


def test_blocks_of_the_page_are_replaced_one_by_one(repository):
    text = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    marks = [match[2] for match in where_time_goes.BLOCK.finditer(text)]
    assert marks == list(where_time_goes.BLOCKS)
    assert where_time_goes.page(text, {}) == text
    changed = where_time_goes.page(text, {"prepare": "| new |\n"})
    assert "<!-- prepare -->\n| new |\n<!-- end -->" in changed
    assert changed.count("<!-- end -->") == text.count("<!-- end -->")


def test_the_profile_of_a_training_is_a_table_of_operators():
    text = where_time_goes.train(size=32, channels=2, steps=1)
    assert "| operator | calls a step | ms a step | share |" in text
    assert "convolution" in text
