"""A trained model as one file: safetensors weights and a JSON header with all predicting needs.

No pickle is ever written or read (https://github.com/huggingface/safetensors describes the format).
torch is imported late, so that a header can be read, and a report built, without it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from globalmask.errors import UserError
from globalmask.provenance import atomic

if TYPE_CHECKING:
    from torch import Tensor

    from globalmask.network.unet import UNet

FORMAT = 2
FILE = "file."
_LARGEST_HEADER = 100_000_000


def save_model(
    path: str | Path,
    network: UNet,
    header: Mapping[str, Any],
    *,
    extra_networks: Mapping[str, tuple[UNet, Mapping[str, Any]]] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write `network` and `header` (plain JSON values) to `path`, whole or not at all.

    `extra_networks` travel in the same file under their names: the mask network as `mask`. The
    arguments that rebuild each network are added to its header as `network`. `files` travel whole (a template
    that is no patient's image); `read_file` gives them back.
    """
    import torch

    tensors = _tensors(network, "main")
    full = {"format": FORMAT, **header, "network": network.arguments, "extra_networks": {}}
    for name, (extra, extra_header) in (extra_networks or {}).items():
        tensors |= _tensors(extra, name)
        full["extra_networks"][name] = {**extra_header, "network": extra.arguments}
    for name, content in (files or {}).items():
        tensors[f"{FILE}{name}"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    _save(path, tensors, full)


def rewrite_header(path: str | Path, out_path: str | Path, header: Mapping[str, Any]) -> None:
    """Write the model file `path` again as `out_path` under another header; the weights stay, checked.

    Raises UserError when the weights are damaged or the file holds anything but its networks and files.
    """
    given = read_header(path)
    tensors = _load(path, given["sha256"])
    parts = ["main", *given["extra_networks"]]
    for part in parts:
        load_model(path, part=part)
    known = tuple(f"{part}." for part in [*parts, FILE.removesuffix(".")])
    foreign = sorted(name for name in tensors if not name.startswith(known))
    if foreign:
        raise UserError(
            "The model file holds more than networks and a template: what it is cannot be told.",
            file=path,
            found=", ".join(foreign[:5]),
            todo="Train the model again; nothing else may be added to its file.",
        )
    _save(out_path, tensors, header)


def _save(path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    full = {**header, "sha256": digest_of(tensors)}
    with atomic(path) as temporary:
        # Not `save_file`: it writes a file of its own making, which a killed process leaves behind.
        temporary.write_bytes(save(dict(tensors), metadata={"globalmask": json.dumps(full, allow_nan=False)}))


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a model file, without torch and without reading the weights.

    Raises UserError when the file is missing, torn, or not a model of globalmask.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LARGEST_HEADER:
                raise ValueError("header too long")
            metadata = json.loads(stream.read(length))["__metadata__"]
        header = json.loads(metadata["globalmask"])
    except FileNotFoundError:
        raise UserError("The model file is missing.", file=path, todo="Train the model first.") from None
    except (OSError, struct.error, ValueError, KeyError, TypeError) as error:
        raise UserError(
            "The file is not a model of globalmask, or it is torn.",
            file=path,
            found=f"{type(error).__name__}: {error}",
            expected="a safetensors file with a header named globalmask",
            todo="Delete it and train the model again.",
        ) from None
    if header.get("format") != FORMAT:
        raise UserError(
            "The model was written by another version of globalmask.",
            file=path,
            found=f"format {header.get('format')}",
            expected=f"format {FORMAT}",
            todo="Train it again, or use the version named in its header.",
        )
    return header


def load_model(path: str | Path, device: str = "cpu", *, part: str = "main") -> tuple[UNet, dict[str, Any]]:
    """Network (evaluation mode, on `device`) and header; `part="mask"` gives the mask network.

    Raises UserError when the file is no model, its weights are damaged, or it has no such part.
    """
    from globalmask.network.unet import UNet

    header = read_header(path)
    own = header if part == "main" else header["extra_networks"].get(part)
    if own is None:
        raise UserError(
            "The model file holds no such network.",
            file=path,
            found=", ".join(["main", *header["extra_networks"]]),
            expected=part,
        )
    tensors = _load(path, header["sha256"])
    network = UNet(**own["network"])
    network.load_state_dict(
        {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
    )
    return network.to(device).eval(), own


def read_file(path: str | Path, name: str) -> bytes | None:
    """A file that travels in the model; None where there is none of this name. Raises UserError as `load_model`."""
    content = _load(path, read_header(path)["sha256"]).get(f"{FILE}{name}")
    return None if content is None else content.numpy().tobytes()


def _load(path: str | Path, digest: str) -> dict[str, Tensor]:
    """Every tensor of the file, checked against its digest."""
    import safetensors
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except safetensors.SafetensorError as error:
        raise _damaged(path, error) from None
    if digest_of(tensors) != digest:
        raise _damaged(path, "checksum differs")
    return tensors


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes of tensors on the CPU."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).contiguous().numpy().data)
    return digest.hexdigest()


def _tensors(network: UNet, part: str) -> dict[str, Tensor]:
    return {f"{part}.{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def _damaged(path: str | Path, found: object) -> UserError:
    return UserError(
        "The weights in the model file are damaged.",
        file=path,
        found=found,
        todo="Delete it and train the model again.",
    )
