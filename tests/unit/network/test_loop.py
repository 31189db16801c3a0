"""The loop: its order, its clock, which weights it keeps, how it stops, and that it resumes to the bit."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from helpers import make_sample, tiny_settings

from globalmask.errors import UserError
from globalmask.network import loop
from globalmask.network.checkpoint import Checkpoints
from globalmask.network.loop import Seeds, fit, learning_rate_at, resolve_device, resolve_precision
from globalmask.network.unet import UNet, initialise

SEEDS = Seeds(7, "brain", 0)
CPU = torch.device("cpu")


def make_network(settings, in_channels=1):
    network = UNet(in_channels, 3, **settings.model_dump(include={"channels", "activation", "norm", "dropout"}))
    initialise(network, lambda layer: SEEDS.of("weights", layer))
    return network


def run(settings, *, train=(0, 1, 2), validation=(10,), checkpoints=None, network=None):
    network = network or make_network(settings)
    state = fit(
        network,
        [make_sample(number) for number in train],
        [make_sample(number) for number in validation],
        settings=settings,
        seeds=SEEDS,
        device=CPU,
        precision="fp32",
        checkpoints=checkpoints,
    )
    return network, state


def same_weights(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_two_trainings_are_equal_to_the_bit():
    settings = tiny_settings(norm="batch", dropout=0.2, augmentation=True)
    first, second = run(settings), run(settings)
    assert same_weights(first[0], second[0])
    assert [row["val_dice"] for row in first[1].history] == [row["val_dice"] for row in second[1].history]


def test_order_is_a_permutation_that_depends_on_replicate_and_pass_only():
    orders = [SEEDS.order(8, turn).tolist() for turn in range(3)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert Seeds(7, "brain", 0).order(8, 1).tolist() == orders[1]
    assert Seeds(7, "brain", 1).order(8, 1).tolist() != orders[1]


def test_every_case_is_seen_once_a_pass(monkeypatch):
    seen = []
    original = loop._Run._logits

    def spy(self, inputs):
        if self.network.training:
            seen.append(float(inputs.mean()))
        return original(self, inputs)

    monkeypatch.setattr(loop._Run, "_logits", spy)
    run(tiny_settings(max_steps=6, validate_every=6))
    assert len(set(seen[:3])) == 3
    assert sorted(seen[:3]) == sorted(seen[3:])


def test_constant_schedule():
    assert {learning_rate_at(step, tiny_settings()) for step in range(12)} == {3.0e-3}


def test_one_cycle_rises_to_the_top_and_falls_to_a_thousandth():
    settings = tiny_settings(schedule="one_cycle", max_steps=100)
    rates = [learning_rate_at(step, settings) for step in range(101)]
    top = rates.index(max(rates))
    assert rates[0] == pytest.approx(3.0e-3 / 25)
    assert rates[top] == pytest.approx(3.0e-3)
    assert rates[100] == pytest.approx(3.0e-6)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_history_has_one_row_a_validation_with_a_growing_clock():
    _, state = run(tiny_settings(max_steps=10, validate_every=4))
    assert [row["step"] for row in state.history] == [4, 8, 10]
    assert [set(row) for row in state.history] == [set(loop.HISTORY)] * 3
    clock = [row["train_seconds"] for row in state.history]
    assert clock == sorted(clock) and clock[0] > 0
    assert state.history[-1]["val_seconds"] > 0
    assert (state.step, state.stop_reason, state.attempts) == (10, "max_steps", 1)


def test_training_loss_of_a_row_is_the_mean_since_the_row_before(monkeypatch):
    values = iter([1.0, 2.0, 6.0, 5.0])
    monkeypatch.setitem(loop.LOSSES, "dice_ce", lambda logits, label, output: logits.sum() * 0 + next(values))
    _, state = run(tiny_settings(max_steps=4, validate_every=2), validation=())
    assert [row["train_loss"] for row in state.history] == [1.5, 5.5]


def scripted(monkeypatch, scores, losses=()):
    """Validation answers `losses` (or 0) and `scores` in turn; returns the weights as they were at each validation."""
    snapshots = []
    answers = itertools.zip_longest(losses, scores, fillvalue=0.0)

    def answer(self):
        snapshots.append({name: value.clone() for name, value in self.network.state_dict().items()})
        return next(answers)

    monkeypatch.setattr(loop._Run, "_validate", answer)
    return snapshots


def test_best_validation_is_kept_and_a_tie_goes_to_the_earlier(monkeypatch):
    snapshots = scripted(monkeypatch, [0.2, 0.5, 0.5, 0.1])
    network, state = run(tiny_settings(max_steps=4, validate_every=1))
    assert (state.best_step, state.best_val_dice) == (2, 0.5)
    assert [row["best"] for row in state.history] == [1, 1, 0, 0]
    assert state.best_seconds == state.history[1]["train_seconds"]
    assert all(torch.equal(value, snapshots[1][name]) for name, value in network.state_dict().items())
    assert not torch.equal(snapshots[1]["head.weight"], snapshots[3]["head.weight"])
    assert not network.training


def test_patience_counts_steps_since_the_best(monkeypatch):
    scripted(monkeypatch, [0.2, 0.5, 0.4, 0.3, 0.3, 0.3])
    _, state = run(tiny_settings(max_steps=12, validate_every=2, patience_steps=4))
    assert (state.step, state.stop_reason, state.best_step) == (8, "patience_steps", 4)


def test_patience_lasts_while_the_loss_falls_though_dice_stays_at_zero(monkeypatch):
    scripted(monkeypatch, [0.1, 0, 0, 0, 0, 0, 0], losses=[0.9, 0.8, 0.7, 0.6, 0.6, 0.7, 0.5])
    _, state = run(tiny_settings(max_steps=14, validate_every=2, patience_steps=4))
    assert (state.step, state.stop_reason, state.best_step) == (12, "patience_steps", 2)


def test_without_validation_cases_the_last_weights_stay():
    settings = tiny_settings(max_steps=5, validate_every=2)
    first, state = run(settings, validation=())
    assert [row["step"] for row in state.history] == [2, 4, 5]
    assert {row["val_dice"] for row in state.history} == {None}
    assert (state.best_step, state.best_val_dice) == (5, None)
    last = make_network(settings)
    run(settings, validation=(), network=last)
    assert same_weights(first, last)


def test_training_lowers_the_loss():
    _, state = run(tiny_settings(max_steps=30, validate_every=10, learning_rate=1.0e-2))
    losses = [row["train_loss"] for row in state.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


def test_batch_statistics_are_measured_without_touching_the_network():
    settings = tiny_settings(norm="batch", max_steps=4, validate_every=2)
    network, state = run(settings)
    assert state.batch_statistics_dice is not None and 0 <= state.batch_statistics_dice <= 1
    again = make_network(settings)
    original = loop._Run._batch_statistics_dice
    try:
        loop._Run._batch_statistics_dice = lambda self: 0.0
        run(settings, network=again)
    finally:
        loop._Run._batch_statistics_dice = original
    assert same_weights(network, again)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_interrupted_training_resumes_to_the_bit(tmp_path, monkeypatch, stop_at):
    settings = tiny_settings(norm="batch", dropout=0.2, augmentation=True, schedule="one_cycle")
    whole, whole_state = run(settings)
    monkeypatch.setattr(Checkpoints, "every_seconds", 0.0)
    original = loop._Run._step

    def step(self):
        if self.state.step == stop_at and self.state.attempts == 1:
            raise Interrupted
        original(self)

    monkeypatch.setattr(loop._Run, "_step", step)
    with pytest.raises(Interrupted), Checkpoints(tmp_path / "c", {"code": "1"}) as checkpoints:
        run(settings, checkpoints=checkpoints)
    with Checkpoints(tmp_path / "c", {"code": "1"}) as checkpoints:
        resumed, state = run(settings, checkpoints=checkpoints)
    assert same_weights(whole, resumed)
    assert state.attempts == 2
    columns = ("step", "train_loss", "val_loss", "val_dice", "learning_rate", "best")
    assert [[row[name] for name in columns] for row in state.history] == [
        [row[name] for name in columns] for row in whole_state.history
    ]


def test_finished_checkpoint_makes_no_further_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "every_seconds", 0.0)
    with Checkpoints(tmp_path / "c", {}) as checkpoints:
        first, _ = run(tiny_settings(), checkpoints=checkpoints)
    monkeypatch.setattr(loop._Run, "_step", None)
    with Checkpoints(tmp_path / "c", {}) as checkpoints:
        second, state = run(tiny_settings(), checkpoints=checkpoints)
    assert same_weights(first, second)
    assert state.step == 12


def test_cuda_without_a_gpu_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no GPU"):
        resolve_device("cuda")
    assert resolve_device("auto").type == "cpu"
    assert resolve_device("cpu").type == "cpu"


def test_auto_takes_a_gpu_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("wanted", "able", "got"), [("bf16", True, "bf16"), ("bf16", False, "fp32"), ("fp32", True, "fp32")]
)
def test_precision_is_what_the_processor_computes_in(monkeypatch, wanted, able, got):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    assert resolve_precision(wanted, CPU) == got


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_names_the_settings_that_lower_it(monkeypatch, error):
    def fail(self):
        raise error

    monkeypatch.setattr(loop._Run, "_step", fail)
    with pytest.raises(UserError) as caught:
        run(tiny_settings())
    assert "channels" in str(caught.value) and "size_voxels" in str(caught.value)


def test_other_runtime_errors_are_not_swallowed(monkeypatch):
    def fail(self):
        raise RuntimeError("something else")

    monkeypatch.setattr(loop._Run, "_step", fail)
    with pytest.raises(RuntimeError, match="something else"):
        run(tiny_settings())


def test_a_loss_that_is_no_number_stops_the_training(monkeypatch):
    monkeypatch.setitem(loop.LOSSES, "dice_ce", lambda logits, label, output: logits.sum() * math.nan)
    with pytest.raises(UserError, match="no number"):
        run(tiny_settings())


def test_half_precision_trains_close_to_full(monkeypatch):
    if not torch.cpu._is_avx512_bf16_supported():
        pytest.skip("this processor does not compute in bf16")
    settings = tiny_settings(max_steps=20, validate_every=20)
    samples = [make_sample(number) for number in range(3)]
    losses = {}
    for precision in ("fp32", "bf16"):
        state = fit(
            make_network(settings), samples, [], settings=settings, seeds=SEEDS, device=CPU, precision=precision
        )
        losses[precision] = state.history[0]["train_loss"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]
