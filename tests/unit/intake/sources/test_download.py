"""Downloads against a server on this machine: whole, broken off, resumed, with a wrong checksum."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading

import pytest

from globalmask.errors import UserError
from globalmask.intake.sources.catalogue import ALL, SOURCES
from globalmask.intake.sources.download import download, fetch, stated

CONTENT = bytes(range(256)) * 4000
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as `/file`; may end early, forget ranges, or serve a record of Zenodo's kind."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ends_after: int | None = None
        self.ranges = True
        self.asked: list[str | None] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        if self.path.startswith("/records/"):
            self._record()
        elif self.path == "/file":
            self._file()
        else:
            self.send_error(404)

    def _record(self):
        name = SOURCES["totalsegmentator"].zenodo[1]
        file = {"key": name, "checksum": MD5, "links": {"self": f"{self.server.url}/file"}}
        body = json.dumps({"files": [{"key": "other.txt"}, file]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def _file(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        rest = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.ends_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_a_whole_file_and_its_progress(server, tmp_path, checksum):
    told = []
    fetch(
        f"{server.url}/file",
        tmp_path / "data.zip",
        checksum=checksum,
        tell=lambda here, whole: told.append((here, whole)),
    )
    assert (tmp_path / "data.zip").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.ends_after = 300_000
    with pytest.raises(UserError, match="broke off") as fault:
        fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert "300000 bytes are here" in str(fault.value)
    assert not (tmp_path / "data.zip").exists()
    server.ends_after = None
    fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert (tmp_path / "data.zip").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert (tmp_path / "data.zip").read_bytes() == CONTENT


def test_a_part_that_was_whole_is_taken(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(CONTENT)
    fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert (tmp_path / "data.zip").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    wrong = "md5:" + hashlib.md5(b"other").hexdigest()
    with pytest.raises(UserError, match="wrong checksum") as fault:
        fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=wrong)
    assert MD5 in str(fault.value) and wrong in str(fault.value)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_ends_in_a_wrong_checksum(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert list(tmp_path.iterdir()) == []


def test_what_is_here_is_checked_and_not_fetched_again(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(CONTENT)
    fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)
    assert server.asked == []
    (tmp_path / "data.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(f"{server.url}/file", tmp_path / "data.zip", checksum=MD5)


def test_no_server_and_no_such_file(server, tmp_path):
    for url in ("http://127.0.0.1:9/file", f"{server.url}/nothing"):
        with pytest.raises(UserError, match="broke off"):
            fetch(url, tmp_path / "data.zip", checksum=MD5)
    with pytest.raises(UserError, match="record cannot be read"):
        stated(f"{server.url}/nothing", "a.zip")
    with pytest.raises(UserError, match="does not hold the file") as fault:
        stated(f"{server.url}/records/1", "a.zip")
    assert "other.txt" in str(fault.value)


def test_the_record_gives_address_and_checksum(server, tmp_path):
    archive = download(SOURCES["totalsegmentator"], tmp_path, records=f"{server.url}/records")
    assert archive == tmp_path / "Totalsegmentator_dataset.zip"
    assert archive.read_bytes() == CONTENT


@pytest.mark.parametrize("source", [source for source in ALL if not source.zenodo], ids=lambda source: source.name)
def test_the_others_say_the_page_to_visit(source, tmp_path):
    with pytest.raises(UserError) as told:
        download(source, tmp_path / "down")
    assert source.page in str(told.value)
    assert source.get in str(told.value)
    assert not (tmp_path / "down").exists()
