"""One optimiser step of preset `paper` at full size: 128^3 voxels, 32 channels, 4 outputs, on the CPU.

Prints the seconds of each step, the peak memory of the process, and the number of weights.
Run: PYTHONPATH=workflow python benchmarks/full_step.py [--precision bf16] [--steps 2] [--threads 2]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from itertools import pairwise

import torch

from globalmask.config import PRESETS
from globalmask.network.loop import Sample, Seeds, fit, resolve_precision
from globalmask.network.unet import UNet, count_weights, initialise


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    settings = PRESETS["paper"].model_copy(update={"max_steps": options.steps, "validate_every": 1})
    device = torch.device("cpu")
    precision = resolve_precision(options.precision, device)
    network = UNet(1, 4, **settings.model_dump(include={"channels", "activation", "norm", "dropout"}))
    seeds = Seeds(0, "benchmark", 0)
    initialise(network, lambda layer: seeds.of("weights", layer))
    print(f"weights {count_weights(network):,}")
    start = time.perf_counter()
    state = fit(network, [sample(options.size)], [], settings=settings, seeds=seeds, device=device, precision=precision)
    clock = [0.0, *(row["train_seconds"] for row in state.history)]
    steps = ", ".join(f"{after - before:.1f}" for before, after in pairwise(clock))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**3 if sys.platform == "darwin" else 1024**2)
    print(f"{options.size}^3, {settings.channels} channels, {precision}, {options.threads} threads")
    print(f"seconds a step {steps} (all {time.perf_counter() - start:.1f})")
    print(f"peak memory {peak:.2f} GiB")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=128, help="voxels a side, a multiple of 16")
    return parser.parse_args()


def sample(size: int) -> Sample:
    """A random volume with three blocks as structures."""
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(size, size, size, dtype=torch.uint8)
    for number in (1, 2, 3):
        part = slice(number * size // 5, number * size // 5 + size // 8)
        label[part, part, part] = number
    return Sample("benchmark", torch.rand(1, size, size, size, generator=generator), label)


if __name__ == "__main__":
    main()
