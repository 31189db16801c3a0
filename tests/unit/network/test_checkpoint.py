"""Checkpoints: whole or the one before, never another training's, one process at a time."""

from __future__ import annotations

import pytest
import torch

from globalmask.errors import UserError
from globalmask.network import lock
from globalmask.network.checkpoint import LAST, PREVIOUS, TORN, Checkpoints
from globalmask.provenance import PARTIAL

MARK = {"settings": {"channels": 2, "learning_rate": 0.1}, "cases": {"a": "1"}, "code": "old"}


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"network.w": torch.full((2, 3), value), "adam.0.step": torch.tensor(value)}


def write(folder, *values, mark=MARK):
    with Checkpoints(folder, mark) as checkpoints:
        for value in values:
            checkpoints.save({"step": int(value)}, tensors(value))


def read(folder, mark=MARK, **options):
    with Checkpoints(folder, mark, **options) as checkpoints:
        return checkpoints.load()


def test_nothing_to_resume(tmp_path):
    assert read(tmp_path / "c") is None


def test_state_and_tensors_come_back(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    state, found = read(tmp_path / "c")
    assert state == {"step": 2}
    assert found.keys() == tensors(0).keys()
    assert torch.equal(found["network.w"], torch.full((2, 3), 2.0))
    assert found["adam.0.step"].shape == ()


def test_memory_layout_does_not_matter(tmp_path):
    value = torch.rand(2, 3, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    with Checkpoints(tmp_path / "c", {}) as checkpoints:
        checkpoints.save({}, {"w": value})
        assert torch.equal(checkpoints.load()[1]["w"], value)


def flipped(content, place):
    content = bytearray(content)
    content[place] ^= 1
    return bytes(content)


TEARS = {
    **{f"the first {keep} bytes": lambda content, keep=keep: content[:keep] for keep in (0, 5, 100, -1)},
    "a bit of the last tensor": lambda content: flipped(content, -1),
    "a bit of the state": lambda content: flipped(content, content.index(b'step') + 8),
    "a length of 2^64 - 1": lambda content: b"\xff" * 8 + content[8:],
    "a header that is a list": lambda content: b"\x02" + bytes(7) + b"[]" + content[8:],
    "a pickle": lambda content: b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
}  # fmt: skip


@pytest.mark.parametrize("tear", TEARS)
def test_torn_checkpoint_falls_back_to_the_one_before_and_never_takes_its_place(tmp_path, tear):
    write(tmp_path / "c", 1.0, 2.0)
    last = tmp_path / "c" / LAST
    torn = TEARS[tear](last.read_bytes())
    last.write_bytes(torn)
    assert read(tmp_path / "c")[0] == {"step": 1}
    assert (tmp_path / "c" / TORN).read_bytes() == torn
    write(tmp_path / "c", 3.0)
    (tmp_path / "c" / LAST).unlink()
    assert read(tmp_path / "c")[0] == {"step": 1}


def test_a_checkpoint_that_cannot_be_read_is_not_passed_over(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    (tmp_path / "c" / LAST).unlink()
    (tmp_path / "c" / LAST).mkdir()
    with pytest.raises(IsADirectoryError):
        read(tmp_path / "c")


def test_killed_between_the_renames_falls_back_to_the_one_before(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    (tmp_path / "c" / LAST).rename(tmp_path / "c" / f"{PARTIAL}1.safetensors")
    assert read(tmp_path / "c")[0] == {"step": 1}
    assert not list((tmp_path / "c").glob(f"{PARTIAL}*"))


def test_both_torn_begins_anew(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    for name in (LAST, PREVIOUS):
        (tmp_path / "c" / name).write_bytes(b"torn")
    assert read(tmp_path / "c") is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"channels": 4, "learning_rate": 0.1}}, "settings.channels was 2, is 4"),
        ({"cases": {"a": "1", "b": "2"}}, "cases.b was None, is 2"),
        ({"code": "new"}, "code was old, is new"),
    ],
)
def test_checkpoint_of_something_else_is_refused_with_the_reason_and_kept(tmp_path, change, told):
    write(tmp_path / "c", 1.0)
    with pytest.raises(UserError) as caught:
        read(tmp_path / "c", {**MARK, **change})
    assert told in str(caught.value)
    assert ("--accept-code" in str(caught.value)) == ("code" in change)
    assert read(tmp_path / "c")[0] == {"step": 1}


def test_accepted_code_is_recorded(tmp_path):
    write(tmp_path / "c", 1.0)
    state, _ = read(tmp_path / "c", {**MARK, "code": "new"}, accept_code=True)
    assert state["accepted_code"] == ["old"]


def test_accepted_code_does_not_cover_settings(tmp_path):
    write(tmp_path / "c", 1.0)
    with pytest.raises(UserError, match="something else"):
        read(tmp_path / "c", {**MARK, "code": "new", "cases": {}}, accept_code=True)


def test_clear_removes_the_folder(tmp_path):
    with Checkpoints(tmp_path / "c", MARK) as checkpoints:
        checkpoints.save({}, tensors(1.0))
        checkpoints.clear()
    assert not (tmp_path / "c").exists()


def test_due_after_its_time(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "c", MARK)
    assert not checkpoints.due()
    monkeypatch.setattr(Checkpoints, "every_seconds", 0.0)
    assert checkpoints.due()


def test_second_process_is_refused_and_the_lock_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.0)
    with (
        Checkpoints(tmp_path / "c", MARK),
        pytest.raises(UserError, match="Another process"),
        Checkpoints(tmp_path / "c", MARK),
    ):
        pass
    assert read(tmp_path / "c") is None
