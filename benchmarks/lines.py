"""Every line of the benchmark: what is compared against what, and the goal. Nothing heavy is imported.

The part of a name before the dot is the module that measures it. Where a goal is missed, `reason` says why, and what is
to be tried next.
"""

from __future__ import annotations

from benchmarks.record import Line

HEART = "prepare a heart-sized CT (synthetic, 512x512x150, int16, gzip) and its label to 1.5 mm, 128^3, file to file"
HEADS = "rigid head registration, one thread, real heads (OpenKBP)"
TRAIN = "training to a given number of steps, same network, same real cases, from prepared files"
PREDICT = "prediction of one case of 128^3, 32 channels, model load included, file to file"
SCORE = "scoring 7 structures at 128^3: Dice, centre of mass, HD95, ASSD, NSD at 1.5 and 3 mm"
PLAN = "dry run of a matrix of"
PARSE = (
    "0.7 s of the parsing is Python importing Snakemake, 0.3 s the digests of the code of 25 stages. Next: keep the"
    " digests beside the modules' times."
)
EDGES = (
    "The time is Snakemake's own, for every pair of a job and an input file: 330 trainings have 81,000 pairs, because"
    " each names the CT, label and mask of all its cases. Next: one file a case that stands for its three."
)
GPU = "preset paper at 128^3, one GPU"

LINES: dict[str, Line] = {
    "prepare.monai": Line(
        HEART,
        "MONAI: LoadImage, Orientation, Spacing, ResizeWithPadOrCrop, SaveImage",
        "x",
        least=8,
        reason="Both read by ITK, and reading and writing alone takes about a sixth of MONAI's time, so 8x cannot be"
        " reached with ITK's reader. Next: isal's gzip in front of it (another dependency, not tried).",
    ),
    "prepare.torchio": Line(HEART, "TorchIO: ToCanonical, Resample, CropOrPad, save", "x", least=1),
    "prepare.nnunet": Line(HEART, "nnU-Net's reader, resampling (first order, as the others) and writer", "x", least=1),
    "prepare.files": Line(HEART, "reading and writing the same files alone", "x the time", most=1.25),
    "registration.time": Line(
        HEADS,
        "ants.registration('Rigid') with its defaults",
        "x",
        least=3,
        reason="These scans are small (128^3), so ANTs' own start is cheap, and 60 % of our time is ANTs too, the rest"
        " the search that keeps cut heads from failing. Next: fewer tilts where the first one is good, and one level"
        " of ANTs less; either moves every registration, so with the next change of the evidence.",
    ),
    "registration.overlap": Line(
        HEADS, "its head-mask Dice, ours minus theirs where both succeed", "Dice", least=-0.01
    ),
    "registration.centre": Line(HEADS, "its distance of the heads' centres of mass, ours minus theirs", "mm", most=1),
    "registration.failures": Line(HEADS, "its failures: ours minus theirs", "failures", most=0),
    "step.small": Line("overhead of our loop, 64^3, 16 channels", "bare loop on resident tensors", "%", most=3),
    "step.demo": Line("overhead of our loop at the demo's scale (48^3, 8 channels)", "the same bare loop", "%", most=5),
    "step.augmentation": Line("augmentation at the demo's scale", "our loop without it", "%"),
    "step.validation": Line("one validation of three cases at the demo's scale", "one step of our loop", "x the time"),
    "training.monai_defaults": Line(
        TRAIN,
        "idiomatic MONAI, each side's precision by default",
        "x",
        least=3,
        reason="Nearly all of both sides is torch's convolutions, and bf16 makes ours so much faster and no more; two"
        " networks side by side on two cores are where the rest is (one thread a training).",
    ),
    "training.monai_fp32": Line(TRAIN, "idiomatic MONAI, both fp32", "x", least=1),
    "training.monai_bf16": Line(TRAIN, "idiomatic MONAI, both bf16", "x", least=1),
    "training.nnunet": Line(
        f"{TRAIN}, preset modern", "nnU-Net's trainer, each side's precision by default", "x", least=1
    ),
    "training.nnunet_fp32": Line(
        f"{TRAIN}, preset modern",
        "nnU-Net's trainer, both fp32",
        "x",
        least=1,
        reason="The same convolutions of torch on both sides; ours augments in the loop's own process, theirs in one"
        " more. fp32 is no default of ours where the CPU has bf16.",
    ),
    "precision.time": Line(
        "bf16 with channels_last_3d, training of preset modern",
        "fp32",
        "x",
        least=3,
        reason="fp32 has caught up: its convolutions run as two halves, 3.7 times faster than torch's own"
        " (docs/performance.md). Next: what is not a convolution, which bf16 does not make faster.",
    ),
    "precision.dice": Line(
        "validation Dice of bf16, real heads (mean over replicates; range is the 95 % interval)",
        "fp32: mean paired difference",
        "Dice",
        most=0.02,
        size=True,
    ),
    "budget.modern": Line(
        "seconds to a validation Dice of 0.5, preset modern, real heads", "its last Dice in facts", "s"
    ),
    "budget.paper": Line(
        "seconds to a validation Dice of 0.5, preset paper, real heads", "its last Dice in facts", "s"
    ),
    "predict.monai": Line(PREDICT, "MONAI sliding_window_inference, same network", "x", least=1),
    "predict.nnunet": Line(PREDICT, "nnUNetPredictor, same network, no mirroring", "x", least=1),
    "predict.memory": Line(f"memory of a {PREDICT}", "what the network alone needs", "x the memory", most=1.3),
    "score.monai": Line(
        SCORE,
        "MONAI metrics",
        "x",
        least=1,
        reason="Exact distances between meshes (evidence/surface.py says what they are worth) cost more than distances"
        " between voxels; nearly all of it is VTK's search. Tried: a static cell locator under pymeshmetrics, the same"
        " numbers to 1e-15 in 1/1.4 of the time, not enough for code of our own. Next: offer it to pymeshmetrics.",
    ),
    "score.surface_distance": Line(SCORE, "surface-distance", "x"),
    "demo.share": Line(
        "whole demo, two cores", "sum of its jobs' pure work: share of the cores' time beside it", "%", most=25
    ),
    "planning.small": Line(f"{PLAN} 33 trainings", "", "s", most=3, reason=f"{PARSE} {EDGES}"),
    "planning.middle": Line(f"{PLAN} 330 trainings", "", "s", most=8, reason=EDGES),
    "planning.large": Line(f"{PLAN} 3300 trainings", "", "s", most=60, reason=EDGES),
    "planning.memory": Line(f"{PLAN} 3300 trainings, memory of all its processes", "", "GB", most=1.5, reason=EDGES),
    "planning.growth": Line(
        "growth of the dry run's time from 330 to 3300 trainings", "ten times", "x the time", most=11
    ),
    "planning.parse": Line("parsing the Snakefile (33 trainings)", "", "s", most=1.5, reason=PARSE),
    "cli.help": Line("globalmask --help", "", "s", most=0.3),
    "cli.imports": Line("heavy libraries that globalmask --help imports (torch, ants, pandas ...)", "", "", most=0),
    "memory.training": Line(
        "one training step of preset paper (128^3, 32 channels, fp32)", "weights, Adam, saved maps", "x the memory"
    ),
    "memory.step": Line("one training step of preset paper (128^3, 32 channels, fp32), two threads", "", "s"),
    "memory.prepare": Line("preparing a heart-sized CT (synthetic)", "the raw CT in memory", "x the memory", most=3),
    "memory.cases": Line("46 cases of 128^3, CT and mask, held for training", "their arrays", "x the memory"),
    "gpu.flops": Line(f"{GPU}, bf16: share of the device's measured matrix-product rate", "", "%"),
    "gpu.memory": Line(f"{GPU}: memory of a training", "", "GB"),
    "gpu.together2": Line(f"{GPU}: steps a second of 2 trainings side by side", "one alone", "x"),
    "gpu.together4": Line(f"{GPU}: steps a second of 4 trainings side by side", "one alone", "x"),
    "gpu.paper": Line(
        "GPU-hours of the paper's 33 trainings and 6 mask networks", "485.5 h published (Tables 5, 6)", "h"
    ),
    "gpu.evidence": Line("GPU-hours of the evidence matrix", "485.5 h published (Tables 5, 6)", "h"),
}

PEERS = ("prepare", "training", "predict", "score")
"""Modules that run in `.venv-peers`, so that both sides of a ratio have one torch, one NumPy, one SimpleITK."""


def modules() -> list[str]:
    """The modules that measure, in the order of the table."""
    return list(dict.fromkeys(name.partition(".")[0] for name in LINES))


def of(module: str) -> dict[str, Line]:
    """The lines of one module."""
    return {name: line for name, line in LINES.items() if name.partition(".")[0] == module}
