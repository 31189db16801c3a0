"""Where a result comes from: code digests, derived seeds, versions, and writes that are whole or absent.

`code_digest` is a parameter of every rule, so editing what a stage computes reruns it and editing a
docstring does not. What a command of the workflow read and wrote goes to a record beside the results, which
`globalmask verify` compares with the files. Imported when the Snakefile is parsed, so nothing heavy is
imported here.
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import functools
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
NOT_NUMERICAL = ("config", "errors", "matrix", "provenance", "progress", "interrupt", "lock", "slots")
PARTIAL = ".partial-"
RECORDS = "provenance"
OUTSIDE = "outside/"
LIBRARIES = {
    **{name: name for name in ("numpy", "scipy", "pandas", "SimpleITK", "torch", "pymeshmetrics", "matplotlib")},
    "ants": "antspyx",
}
_NO_RESULTS = ("checkpoints/", f"{RECORDS}/")


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffixes; rename it on success, remove it on failure.

    Raises OSError with the name of `path` when the disk is full, the folder read-only, or the file too large,
    also where the library that writes says it in another way.
    """
    path = Path(path)
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        suffixes = "".join(path.suffixes[-2:])
        handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=suffixes, dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with _named(path, temporary):
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            _job.wrote(temporary, path)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, absent or empty as yet; it takes that name on success, or vanishes."""
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.is_dir():
            path.rmdir()
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """An OSError of writing `path` names it; another error is one too, where `temporary` can grow no more."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(temporary)) or temporary is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except Exception as error:
        if temporary is not None and (refusal := _refusal(temporary)):
            raise OSError(refusal.errno, refusal.strerror, str(path)) from error
        raise


def _refusal(temporary: Path) -> OSError | None:
    """Why the file system lets this file grow no more; None when it does."""
    try:
        with temporary.open("ab") as stream:
            stream.write(bytes(1 << 16))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return error
    return None


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


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of their names."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file()):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


class _Job:
    """What this process read and wrote in a run of the workflow; by hand there is no run, and inputs alone count."""

    def __init__(self, arguments: Sequence[str] = (), run: str | None = None) -> None:
        self.arguments = list(arguments)
        self.run = Path(run) if run else None
        self._folder = os.path.abspath(run) + os.sep if run else None
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.outside: dict[str, str] = {}

    def name_of(self, path: str | Path) -> str:
        """A path below the run's folder, so that results may be moved; a name that tells nothing for other files.

        A path may hold a patient's name and results shall not: what it stands for lies in `places_of` the run.
        """
        below, given = self._below(path), os.fspath(path)
        if below or self.run is None:
            return below or given
        name = f"{OUTSIDE}{hashlib.sha256(given.encode()).hexdigest()[:16]}"
        self.outside[name] = given
        place = places_of(self.run) / name
        if not place.exists():
            write_text(place, given)
        return name

    def told(self) -> list[str]:
        """The arguments, with names in place of the paths of files outside."""
        told = self.arguments[1:]
        # The longest first: one path may begin as another one does.
        for name, path in sorted(self.outside.items(), key=lambda item: len(item[1]), reverse=True):
            for text in (json.dumps(path)[1:-1], path):
                told = [argument.replace(text, name) for argument in told]
        return told

    def read(self, path: str | Path) -> None:
        name = self.name_of(path)
        if name not in self.inputs and name not in self.outputs:
            self.inputs[name] = ""
            self.inputs[name] = sha256(path)

    def wrote(self, temporary: Path, path: Path) -> None:
        name = self._below(path)
        if name and not name.startswith(_NO_RESULTS):
            self.outputs[name] = sha256(temporary)

    def opened(self, path: object, mode: object) -> None:
        """At every `open` of Python: a file of the run that is opened to be read is an input."""
        if self.run is None or not isinstance(path, str | os.PathLike) or not isinstance(mode, str) or "r" not in mode:
            return
        name = self._below(os.fspath(path))
        if name and not name.startswith(_NO_RESULTS) and PARTIAL not in name and os.path.isfile(path):
            self.read(os.fspath(path))

    def _below(self, path: str | Path) -> str | None:
        full = os.path.abspath(path) if self._folder else ""
        return full.removeprefix(self._folder) if self._folder and full.startswith(self._folder) else None


_job = _Job()
_hooks: list[Callable[[str, tuple[Any, ...]], None]] = []


def watch(arguments: Sequence[str], run: str | None) -> None:
    """From here on this process is one job: its `arguments`, and the folder of the run that it belongs to."""
    global _job
    _job = _Job(arguments, run)
    if run and not _hooks:
        # `open` of Python; what C++ libraries read is told to `reads` where they are called.
        _hooks.append(lambda event, args: _job.opened(*args[:2]) if event == "open" else None)
        sys.addaudithook(_hooks[0])


def reads(path: str | Path) -> None:
    """Tell that this job reads a file, or a folder of files, with a library that opens it by itself."""
    _job.read(path)


def inputs() -> dict[str, str]:
    """SHA-256 of everything that this job has read until now, and that is still there."""
    folder = _job.run or Path()
    found = {name: digest for name, digest in _job.inputs.items() if digest}
    return {
        name: found[name]
        for name in sorted(found)
        if (folder / name).exists() or Path(_job.outside.get(name, name)).exists()
    }


def places_of(run: Path) -> Path:
    """Where it is kept, beside the results and not among them, which files outside a run's folder were read."""
    return run.absolute().parents[1] / ".globalmask"


def keep_record() -> None:
    """Write what this job read and wrote to `provenance/` of its run, under the name of its first output."""
    if _job.run is None or not _job.outputs:
        return
    outputs = dict(sorted(_job.outputs.items()))
    loaded = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "globalmask"}
    files = sorted(module.__file__ for module in loaded.values() if module.__file__)
    record = {
        "command": _job.arguments[0],
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
        "host": platform.node(),
        "versions": versions("globalmask", *(LIBRARIES[name] for name in LIBRARIES if name in sys.modules)),
        "source": hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest(),
        "arguments": _job.told(),
        "inputs": inputs(),
        "outputs": outputs,
    }
    write_json(_job.run / RECORDS / f"{next(iter(outputs))}.json", record)


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
    """Syntax tree of a module without docstrings."""
    path = _file_of(module)
    if path is None:
        raise ModuleNotFoundError(f"globalmask.{module}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in (tree, *_statements(tree)):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
    return tree


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below `node`; expressions, nine tenths of a tree, hold neither imports nor docstrings."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, name, ()):
            yield each
            yield from _statements(each)


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    names: set[str] = set()
    for node in _statements(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    inside = {name.removeprefix("globalmask.") for name in names if name.startswith("globalmask.")}
    return tuple(sorted(name for name in inside if _file_of(name)))


@functools.cache
def _syntax(module: str) -> str:
    return ast.dump(_tree(module))


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
