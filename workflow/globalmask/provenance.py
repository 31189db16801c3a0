"""Where a result comes from: code digests, derived seeds, versions, and writes that are whole or absent.

`code_digest` is a parameter of every rule, so editing what a stage computes reruns it and editing a
docstring does not. Imported when the Snakefile is parsed, so nothing heavy is imported here.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
NOT_NUMERICAL = ("config", "errors", "matrix", "provenance", "progress")


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffixes; rename it on success, remove it on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(path.suffixes[-2:])
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=suffixes, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def entropy(seed: int, *words: object) -> list[int]:
    """Entropy for `numpy.random.SeedSequence` from the run's seed and what the numbers are for.

    Equal words give equal numbers on every machine: `entropy(1, "brain", 0, "weights")`.
    """
    return [seed] + [int.from_bytes(hashlib.sha256(str(word).encode()).digest()[:8]) for word in words]


def torch_seed(seed: int, *words: object) -> int:
    """A 63-bit seed for `torch.Generator.manual_seed`, derived like `entropy`."""
    text = "\x1f".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def versions(*distributions: str) -> dict[str, str]:
    """Versions of Python and of the named distributions, for `run.json`."""
    found = {"python": platform.python_version()}
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of the syntax trees (no comments, no docstrings) of `modules` and of all they import from here.

    `modules` are dotted names below the package (`learn.train`). Modules that only pass settings on or
    show progress are left out: what they decide arrives in `--settings`.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting += [name for name in _imports(module) if not _left_out(name)]
    digest = hashlib.sha256()
    for module in sorted(found):
        digest.update(module.encode() + _syntax(module).encode())
    return digest.hexdigest()[:16]


def _left_out(module: str) -> bool:
    return module.rsplit(".", 1)[-1] in NOT_NUMERICAL


def _file_of(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _file_of(module)
    if path is None:
        raise ModuleNotFoundError(f"globalmask.{module}")
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    inside = {name.removeprefix("globalmask.") for name in names if name.startswith("globalmask.")}
    return tuple(sorted(name for name in inside if _file_of(name)))


@functools.cache
def _syntax(module: str) -> str:
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
