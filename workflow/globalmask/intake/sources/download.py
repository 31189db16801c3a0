"""A download that may break off: it goes on where it stopped, and counts only when its checksum is right.

The one module that uses the network, called by `globalmask download` alone. The standard library does it: pooch
starts a broken download from its first byte, which for 28 GB on a hospital's line means never.
"""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from globalmask.errors import UserError
from globalmask.intake.sources.catalogue import Source

ZENODO = "https://zenodo.org/api/records"
BLOCK = 1 << 20
TIMEOUT_S = 60
Tell = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes of the whole file."""


def download(source: Source, folder: Path, *, tell: Tell = lambda here, whole: None, records: str = ZENODO) -> Path:
    """Fetch the archive of `source` into `folder`; returns its path.

    Raises UserError with the page to visit where the licence or the publisher's form forbids a program to do so.
    """
    if source.zenodo is None:
        raise UserError(
            f"'{source.name}' is not for a program to download: there is no stated checksum, or a form to fill in.",
            found=f"licence: {source.licence}",
            expected=source.page,
            todo=source.get,
        )
    record, name = source.zenodo
    url, checksum = stated(f"{records}/{record}", name)
    fetch(url, folder / name, checksum=checksum, tell=tell)
    return folder / name


def stated(record: str, name: str) -> tuple[str, str]:
    """Address and checksum (`md5:…`) of a file by its Zenodo record, whose DOI fixes both."""
    about = json.loads(_read(record))
    for file in about.get("files", []):
        if name == file.get("key"):
            return str(file["links"]["self"]), str(file["checksum"])
    names = ", ".join(str(file.get("key")) for file in about.get("files", []))
    raise UserError("The record does not hold the file.", file=record, found=names or "no file", expected=name)


def fetch(url: str, to: Path, *, checksum: str, tell: Tell = lambda here, whole: None) -> None:
    """Bring `url` to the file `to`, whole or not at all; `checksum` is `md5:…` or `sha256:…`.

    What came before a break stays in `to.part`, and the next call asks for the rest. A file with a wrong
    checksum is removed. A file that is there already is checked and not fetched again.
    """
    part = to.with_name(to.name + ".part")
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.exists():
        _verify(to, checksum)
        return
    try:
        _append(url, part, tell)
    except (OSError, HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:
            pass  # nothing is left to send: the part is the whole, or its checksum tells
        else:
            here = part.stat().st_size if part.exists() else 0
            raise UserError(
                "The download broke off.",
                file=url,
                found=f"{error}; {here} bytes are here",
                todo="Give the same command again: it goes on where it stopped.",
            ) from error
    _verify(part, checksum)
    part.rename(to)


def _append(url: str, part: Path, tell: Tell) -> None:
    """Write what is missing of `url` to the end of `part`; OSError where the connection ends early."""
    here = part.stat().st_size if part.exists() else 0
    with _open(url, {"Range": f"bytes={here}-"} if here else {}) as answer:
        if answer.status != 206:
            here = 0
        whole = here + int(answer.headers.get("Content-Length") or 0)
        with open(part, "ab" if here else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                here += len(block)
                tell(here, whole)
    if here < whole:
        raise OSError(f"the connection ended after {here} of {whole} bytes")


def _verify(file: Path, checksum: str) -> None:
    kind, _, wanted = checksum.partition(":")
    with open(file, "rb") as stream:
        found = hashlib.file_digest(stream, kind).hexdigest()
    if found != wanted:
        file.unlink()
        raise UserError(
            "The file has a wrong checksum and was removed.",
            file=file,
            found=f"{kind}:{found}",
            expected=checksum,
            todo="Download it again; if it happens twice, the publisher's file or the line is not to be trusted.",
        )


def _read(url: str) -> bytes:
    try:
        with _open(url, {}) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException) as error:
        raise UserError("The publisher's record cannot be read.", file=url, found=error) from error


def _open(url: str, headers: dict[str, str]) -> Any:
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise
