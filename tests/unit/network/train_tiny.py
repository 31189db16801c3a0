"""A tiny training in a process of its own, for the test that kills it: arguments are the two folders."""

from __future__ import annotations

import sys

from helpers import make_sample, tiny_settings

from globalmask.network.checkpoint import Checkpoints
from globalmask.network.job import run_job
from globalmask.network.loop import Seeds


def main(out_dir: str, checkpoint_dir: str) -> None:
    Checkpoints.every_seconds = 0.0
    run_job(
        [make_sample(number, with_mask=True) for number in range(3)],
        [make_sample(10, with_mask=True)],
        structures=2,
        settings=tiny_settings(
            norm="batch", dropout=0.2, augmentation=True, schedule="one_cycle", max_steps=30, validate_every=5
        ),
        seeds=Seeds(1, "brain", 0),
        purpose="structures",
        kept=(1,),
        device="cpu",
        threads=1,
        out_dir=out_dir,
        checkpoint_dir=checkpoint_dir,
        header={"arm": "brain", "n": 3},
        code="code",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
