"""A cluster for the session; results of this machine to compare with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cannot, Cluster, install
from main_process import CONFIG

from checkout import Checkout


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster; skips, or fails under --require-slurm, where none can be had."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder))
        try:
            install()
            cluster.start()
            yield cluster
        except Cannot as reason:
            if request.config.getoption("--require-slurm"):
                pytest.fail(f"a SLURM cluster is required: {reason}")
            pytest.skip(f"no SLURM cluster: {reason}")
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def local(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the config of these tests has run to its end without a cluster."""
    finished = Checkout(repository, tmp_path_factory.mktemp("on this machine"))
    finished.snakemake(*CONFIG)
    return finished
