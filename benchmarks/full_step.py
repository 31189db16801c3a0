"""One optimiser step of preset `paper` at full size: 128^3 voxels, 32 channels, 4 outputs, on the CPU.

Prints the seconds of each step, the peak memory of the process, and the number of weights; line `memory` of the
benchmark makes it too. Run: PYTHONPATH=workflow:. python benchmarks/full_step.py [--precision bf16] [--steps 2]
"""

from __future__ import annotations

import argparse
import resource
import sys
from itertools import pairwise
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.step import sample
from globalmask.config import PRESETS
from globalmask.network.loop import Seeds, fit, resolve_precision
from globalmask.network.unet import UNet, count_weights, initialise


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    seconds = run(size=options.size, channels=32, steps=options.steps, precision=options.precision)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**3 if sys.platform == "darwin" else 1024**2)
    print(f"{options.size}^3, 32 channels, {options.precision}, {options.threads} threads")
    print(f"seconds a step {', '.join(f'{value:.1f}' for value in seconds)}")
    print(f"peak memory {peak:.2f} GiB")


def run(*, size: int, channels: int, steps: int, precision: str) -> list[float]:
    """Seconds of each step of preset `paper` on random data."""
    changed = {"channels": channels, "max_steps": steps, "validate_every": 1}
    settings = PRESETS["paper"].model_copy(update=changed)
    device = torch.device("cpu")
    network = UNet(1, 4, **settings.model_dump(include={"channels", "activation", "norm", "dropout"}))
    seeds = Seeds(0, "benchmark", 0)
    initialise(network, lambda layer: seeds.of("weights", layer))
    print(f"weights {count_weights(network):,}", file=sys.stderr)
    precision = resolve_precision(precision, device)
    state = fit(network, [sample(size)], [], settings=settings, seeds=seeds, device=device, precision=precision)
    clock = [0.0, *(row["train_seconds"] for row in state.history)]
    return [after - before for before, after in pairwise(clock)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=128, help="voxels a side, a multiple of 16")
    return parser.parse_args()


if __name__ == "__main__":
    main()
