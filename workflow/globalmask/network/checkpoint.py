"""The half-finished training on disk: resumed without a flag, never mixed with other settings.

`last.safetensors` and, one write older, `previous.safetensors`; tensors and a JSON header, no
pickle. It is not a declared output of the workflow, because Snakemake deletes those before a retry
(DESIGN decision 9).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from globalmask.errors import UserError
from globalmask.network.lock import Lock
from globalmask.network.model_file import digest_of
from globalmask.provenance import PARTIAL, atomic

LAST, PREVIOUS, TORN = "last.safetensors", "previous.safetensors", "torn.safetensors"
_LARGEST_HEADER = 100_000_000


class Checkpoints:
    """Checkpoints of one training in `folder`; use as a context manager, which holds the lock.

    `fingerprint` maps plain names (`settings`, `cases`, `code` ...) to JSON values that must agree
    for a resume. With `accept_code` a change under `code` is taken, and told by `load`.
    """

    every_seconds = 60.0

    def __init__(
        self,
        folder: str | Path,
        fingerprint: Mapping[str, Any],
        *,
        accept_code: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.fingerprint = json.loads(json.dumps(fingerprint))
        self.accept_code = accept_code
        self._lock = Lock(self.folder / "lock.json")
        self._written = time.monotonic()

    def __enter__(self) -> Checkpoints:
        self._lock.acquire()
        for left in self.folder.glob(f"{PARTIAL}*"):
            left.unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def due(self) -> bool:
        """Whether the last write is `every_seconds` ago."""
        return time.monotonic() - self._written >= self.every_seconds

    def save(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write JSON `state` and `tensors`; the checkpoint before is kept.

        Raises UserError when another process has taken the training over.
        """
        self.check()
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        record = {"fingerprint": self.fingerprint, "state": dict(state)}
        record["sha256"] = _digest(record, plain)
        last = self.folder / LAST
        with atomic(last) as partial:
            # Not `save_file`: it writes a file of its own making, which a killed process leaves behind.
            partial.write_bytes(save(plain, metadata={"checkpoint": json.dumps(record)}))
            if last.exists():
                os.replace(last, self.folder / PREVIOUS)
        self._written = time.monotonic()

    def check(self) -> None:
        """Raise UserError when another process has taken the training over."""
        self._lock.check()

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """State and tensors of the newest whole checkpoint, or None where there is none to resume.

        Where `accept_code` took another code, `state["accepted_code"]` lists the earlier digests.
        Raises UserError when the checkpoint belongs to other settings, cases or code.
        """
        for name in (LAST, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            found = _read(path)
            if found is None:
                print(f"{path}: this checkpoint is torn, the one before is tried.", file=sys.stderr)
                # Out of the way, so that it never takes the place of a whole one.
                os.replace(path, self.folder / TORN)
                continue
            record, tensors = found
            self._compare(record["fingerprint"], record["state"])
            return record["state"], tensors
        return None

    def clear(self) -> None:
        """Remove the folder after success; the lock goes last, so that nobody resumes what is being removed."""
        for name in (LAST, PREVIOUS, TORN):
            (self.folder / name).unlink(missing_ok=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _compare(self, found: dict[str, Any], state: dict[str, Any]) -> None:
        names = sorted(set(found) | set(self.fingerprint))
        changed = [name for name in names if found.get(name) != self.fingerprint.get(name)]
        if changed == ["code"] and self.accept_code:
            state["accepted_code"] = [*state.get("accepted_code", []), found["code"]]
            return
        if not changed:
            return
        todo = f"Go back to what it was, or delete {self.folder} to begin this training anew."
        if changed == ["code"]:
            todo += " To go on with the new code, add --accept-code; that is recorded."
        raise UserError(
            "A half-finished training was begun with something else, so it is not resumed.",
            file=self.folder,
            found="; ".join(_difference(name, found.get(name), self.fingerprint.get(name)) for name in changed),
            expected="the same settings, cases and code as when it was begun",
            todo=todo,
        )


def pack(network: nn.Module, optimiser: Optimizer, best: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights, the best weights so far and the optimiser's moments as named tensors."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for number, values in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in values.items()}
    return tensors


def unpack(
    tensors: Mapping[str, Tensor], network: nn.Module, optimiser: Optimizer, device: torch.device
) -> dict[str, Tensor]:
    """Put back what `pack` took, into `network` and `optimiser`; returns the best weights, on `device`."""
    network.load_state_dict(_under(tensors, "network."))
    for number, weights in enumerate(network.parameters()):
        values = _under(tensors, f"adam.{number}.")
        if not values:
            continue
        # The memory layout of the weights, which the optimiser's kernels rely on.
        optimiser.state[weights] = {
            name: torch.empty_like(weights).copy_(value) if value.shape == weights.shape else value
            for name, value in values.items()
        }
    return {name: value.to(device) for name, value in _under(tensors, "best.").items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Record and tensors; None when the file is not whole. A file that cannot be read is an OSError, not torn."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LARGEST_HEADER:
                return None
            record = json.loads(json.loads(stream.read(length))["__metadata__"]["checkpoint"])
        tensors = load_file(path)
        return (record, tensors) if _digest(record, tensors) == record["sha256"] else None
    except (struct.error, ValueError, KeyError, TypeError, safetensors.SafetensorError):
        return None


def _digest(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over everything that a resumed training starts from."""
    plain = json.dumps([record["fingerprint"], record["state"]], sort_keys=True)
    return hashlib.sha256((plain + digest_of(tensors)).encode()).hexdigest()


def _difference(name: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in sorted(set(old) | set(new)) if old.get(key) != new.get(key)]
        return ", ".join(f"{name}.{key} was {_short(old.get(key))}, is {_short(new.get(key))}" for key in keys)
    return f"{name} was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
