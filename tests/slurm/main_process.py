"""A main process of Snakemake that sends its jobs to the cluster through profiles/slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from cluster import Cluster, until

from checkout import Checkout

FOLDER = Path(__file__).parent
CONFIG = ("--configfile", str(FOLDER / "config.yaml"))
# No GPU is here to compute on: networks train on the CPU and ask SLURM for the GPU that `device: cuda` asks for.
NETWORKS = ("train", "train_mask_network", "mask_learned_brain_full_f0", "predict_cell_brain_f0")
ON_GPU = ("--set-resources", *(f"{rule}:gpu=1" for rule in NETWORKS))
GROUPS = ("--group-components", "intake=2", "prepare=2", "coarse=2", "quality=2", "score=3")


class MainProcess:
    """Snakemake in `checkout`, started at once; what it prints goes to the file `output`."""

    def __init__(self, cluster: Cluster, checkout: Checkout, output: Path, *arguments: str) -> None:
        self.output = output
        command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *arguments]
        with output.open("w", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                command,
                cwd=checkout.folder,
                env=cluster.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> MainProcess:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process.poll() is None:
            self.kill()

    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to this process alone."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def finish(self, *, seconds: float) -> None:
        """Wait for the end, which must be a success."""
        until(lambda: not self.runs(), "Snakemake to end", seconds=seconds)
        assert self._process.returncode == 0, self.output.read_text(encoding="utf-8")[-4000:]
