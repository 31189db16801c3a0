"""Checkpoints: whole or the one before, never another training's, one process at a time."""

from __future__ import annotations

import pytest
import torch

from globalmask.errors import UserError
from globalmask.network.checkpoint import LAST, PARTIAL, PREVIOUS, Checkpoints

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


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_torn_checkpoint_falls_back_to_the_one_before(tmp_path, keep):
    write(tmp_path / "c", 1.0, 2.0)
    last = tmp_path / "c" / LAST
    last.write_bytes(last.read_bytes()[:keep])
    assert read(tmp_path / "c")[0] == {"step": 1}


def test_flipped_bit_falls_back_to_the_one_before(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    last = tmp_path / "c" / LAST
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes(content)
    assert read(tmp_path / "c")[0] == {"step": 1}


def test_killed_between_the_renames_falls_back_to_the_one_before(tmp_path):
    write(tmp_path / "c", 1.0, 2.0)
    (tmp_path / "c" / LAST).rename(tmp_path / "c" / PARTIAL)
    assert read(tmp_path / "c")[0] == {"step": 1}


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


def test_second_process_is_refused_and_the_lock_given_back(tmp_path):
    with (
        Checkpoints(tmp_path / "c", MARK),
        pytest.raises(UserError, match="Another process"),
        Checkpoints(tmp_path / "c", MARK),
    ):
        pass
    assert read(tmp_path / "c") is None
