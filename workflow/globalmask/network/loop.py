"""The training loop: one case a step, validation every so many steps, resumable to the bit.

Paper 2.1 and 2.3: Adam, batch of one, the weights with the best validation result are kept.
Everything random is a function of the seed words and the step, so a resumed training needs no
random state and the scenarios of a replicate see the same cases in the same order.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from globalmask.config import TrainSettings
from globalmask.errors import Interrupted, UserError
from globalmask.network import interrupt, progress
from globalmask.network.augment import augment
from globalmask.network.checkpoint import Checkpoints, pack, unpack
from globalmask.network.loss import LOSSES, hard_dice
from globalmask.provenance import entropy, torch_seed

HISTORY = (
    "step",
    "train_loss",
    "val_loss",
    "val_dice",
    "learning_rate",
    "train_seconds",
    "val_seconds",
    "best",
)
WARM_UP = 0.2


class Sample(NamedTuple):
    """One case: `inputs` `(channel, z, y, x)` float32, `label` `(z, y, x)` uint8 0..C."""

    case: str
    inputs: Tensor
    label: Tensor


@dataclass(frozen=True)
class Seeds:
    """What all random numbers derive from; scenario, variant and size are left out on purpose."""

    seed: int
    arm: str
    replicate: int

    def of(self, *purpose: object) -> int:
        """Seed of a torch generator."""
        return torch_seed(self.seed, self.arm, self.replicate, *purpose)

    def order(self, count: int, turn: int) -> np.ndarray:
        """Order in which `count` cases are seen in pass number `turn`."""
        words = entropy(self.seed, self.arm, self.replicate, "order", turn)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words))).permutation(count)


@dataclass
class State:
    """Everything but tensors that a checkpoint carries; also the outcome of `fit`.

    `train_seconds` and `val_seconds` are summed over all attempts; `best_seconds` is the training
    time to the best validation. `best_step` is 0 and `best_val_dice` None until the first
    validation.
    """

    step: int = 0
    attempts: int = 0
    train_seconds: float = 0.0
    val_seconds: float = 0.0
    best_step: int = 0
    best_val_dice: float | None = None
    best_seconds: float = 0.0
    stop_reason: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    accepted_code: list[str] = field(default_factory=list)
    batch_statistics_dice: float | None = None


def resolve_device(device: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device; `auto` takes the GPU where there is one.

    Raises UserError for `cuda` without a GPU.
    """
    present = torch.cuda.is_available()
    if device == "cuda" and not present:
        raise UserError(
            "`device: cuda` was asked for, and torch sees no GPU.",
            found=f"torch {torch.__version__}, CUDA {torch.version.cuda or 'not built in'}",
            todo="Set `device: cpu` or `auto`, or install a CUDA build of torch (README) on a machine with a GPU.",
        )
    return torch.device("cuda" if device == "cuda" or (device == "auto" and present) else "cpu")


def resolve_precision(precision: str, device: torch.device) -> str:
    """`bf16` where the settings ask for it and the hardware computes in it, else `fp32`."""
    if precision != "bf16":
        return "fp32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def learning_rate_at(step: int, settings: TrainSettings) -> float:
    """Rate of step `step` (from 0): constant, or one cosine cycle, 1/25 to the top to 1/1000."""
    top = settings.learning_rate
    if settings.schedule == "constant":
        return top
    rise = max(1, round(WARM_UP * settings.max_steps))
    if step < rise:
        return _cosine(top / 25, top, step / rise)
    return _cosine(top, top / 1000, (step - rise) / max(1, settings.max_steps - rise))


def fit(
    network: nn.Module,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    *,
    settings: TrainSettings,
    seeds: Seeds,
    device: torch.device,
    precision: str,
    kept: Sequence[int] = (),
    checkpoints: Checkpoints | None = None,
    title: str = "training",
) -> State:
    """Train `network` in place and leave the chosen weights in it, in evaluation mode.

    With validation cases the best mean hard Dice chooses (ties: the earlier), and `patience_steps` in
    which neither it nor the loss gets better may end it early; without, `max_steps` are made and the
    last weights stay. `kept` are the input channels that are no intensities (masks, coordinates).
    SIGTERM and SIGINT write a checkpoint at the end of the step, or of the validation case, and raise
    Interrupted. Raises UserError when memory runs out or the loss is no number.
    """
    try:
        with interrupt.delayed() as ask, progress.show(title, settings.max_steps) as display:
            run = _Run(
                network,
                train,
                validation,
                settings,
                seeds,
                device,
                precision,
                tuple(kept),
                checkpoints,
                ask,
            )
            run.train(display)
            return run.finish()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(device, error) from None
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise _out_of_memory(device, error) from None


class _Run:
    """The moving parts of one call of `fit`."""

    def __init__(
        self,
        network: nn.Module,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        settings: TrainSettings,
        seeds: Seeds,
        device: torch.device,
        precision: str,
        kept: tuple[int, ...],
        checkpoints: Checkpoints | None,
        ask: interrupt.Ask,
    ) -> None:
        self.settings, self.seeds, self.device, self.kept = settings, seeds, device, kept
        self.half = precision == "bf16"
        self.layout = torch.channels_last_3d if self.half else torch.contiguous_format
        self.network = network.to(device).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.loss = partial(LOSSES[settings.loss], output=settings.output)
        self.train_cases = [_to_device(sample, device) for sample in train]
        self.validation_cases = [_to_device(sample, device) for sample in validation]
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, fused=device.type == "cuda"
        )
        self.checkpoints, self.ask = checkpoints, ask
        self.state = State()
        self.best: dict[str, Tensor] = {}
        self.losses = torch.zeros(2, dtype=torch.float64, device=device)
        self._resume()
        self.state.attempts += 1

    def train(self, display: progress.Plain | progress.Bar) -> None:
        if self.state.step:
            display.tell(f"resumed at step {self.state.step}, attempt {self.state.attempts}")
        self.network.train()
        # The first one at once: a start that is killed counts as an attempt, a full disk is told before hours of work.
        self._save()
        try:
            self._advance(display)
        except Interrupted as asked:
            self._save()
            raise self._resumable(asked) from None

    def _advance(self, display: progress.Plain | progress.Bar) -> None:
        while self.state.stop_reason is None:
            pause = min(self.settings.max_steps, self._next_pause())
            with self._clock("train_seconds"):
                while self.state.step < pause:
                    self.ask.look()
                    self._step()
                    display.advance(self.state.step)
                    if self.checkpoints and self.checkpoints.due():
                        break
            if self.state.step == pause:
                self._milestone(display)
            if self.checkpoints and (self.checkpoints.due() or self.state.stop_reason):
                self._save()

    def _save(self) -> None:
        if self.checkpoints:
            self.checkpoints.save(asdict(self.state), self._tensors())

    def _resumable(self, asked: Interrupted) -> Interrupted:
        where = f"at step {self.state.step} of {self.settings.max_steps}"
        if not self.checkpoints:
            return Interrupted(f"{asked.what.removesuffix('.')} {where}.", signal=asked.exit_code - 128)
        return Interrupted(
            f"{asked.what.removesuffix('.')} {where}; the checkpoint is written.",
            signal=asked.exit_code - 128,
            file=self.checkpoints.folder,
            todo="Give the same command again: it goes on from there to the same result.",
        )

    def finish(self) -> State:
        if self.best:
            self.network.load_state_dict(self.best)
        if self.validation_cases and self.settings.norm == "batch":
            self.state.batch_statistics_dice = self._batch_statistics_dice()
        self.network.eval()
        return self.state

    def _next_pause(self) -> int:
        """The first milestone that has not been made: a training may have been ended in a validation."""
        every, history = self.settings.validate_every, self.state.history
        return ((history[-1]["step"] if history else 0) // every + 1) * every

    def _step(self) -> None:
        state = self.state
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(state.step, self.settings)
        turn, place = divmod(state.step, len(self.train_cases))
        sample = self.train_cases[self.seeds.order(len(self.train_cases), turn)[place]]
        torch.manual_seed(self.seeds.of("dropout", state.step))
        inputs, label = sample.inputs, sample.label
        if self.settings.augmentation:
            generator = torch.Generator().manual_seed(self.seeds.of("augmentation", state.step))
            inputs, label = augment(inputs, label, generator, kept=self.kept)
        loss = self.loss(self._logits(inputs), label[None])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.losses += torch.stack([loss.detach().double(), torch.ones_like(self.losses[0])])
        state.step += 1

    def _logits(self, inputs: Tensor) -> Tensor:
        batch = inputs[None].contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            return self.network(batch)

    def _milestone(self, display: progress.Plain | progress.Bar) -> None:
        """Validate, write a row of history, choose the best weights, decide whether to stop."""
        state, settings = self.state, self.settings
        total, count = self.losses.tolist()
        if not math.isfinite(total):
            raise UserError(
                f"The training loss is no number any more (step {state.step}).",
                todo="Lower `learning_rate`, or set `precision: fp32`.",
            )
        loss, dice = None, None
        with self._clock("val_seconds"):
            if self.validation_cases:
                loss, dice = self._validate()
        self.losses.zero_()
        best = dice is not None and (state.best_val_dice is None or dice > state.best_val_dice)
        if best:
            state.best_step, state.best_val_dice, state.best_seconds = (
                state.step,
                dice,
                state.train_seconds,
            )
            self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        row = (
            *(state.step, total / count, loss, dice),
            *(
                learning_rate_at(state.step - 1, settings),
                state.train_seconds,
                state.val_seconds,
                int(best),
            ),
        )
        state.history.append(dict(zip(HISTORY, row, strict=True)))
        if state.step >= settings.max_steps:
            state.stop_reason = "max_steps"
        elif dice is not None and self._waited() >= (settings.patience_steps or math.inf):
            state.stop_reason = "patience_steps"
        if not self.validation_cases:
            state.best_step, state.best_seconds = state.step, state.train_seconds
        display.tell(progress.line_of(state.history[-1], settings.max_steps))

    def _waited(self) -> int:
        """Optimiser steps since the best validation, by Dice or by loss: Dice can stay at 0 while the loss falls."""
        lowest = min(self.state.history, key=lambda row: row["val_loss"])
        return int(self.state.step - max(self.state.best_step, lowest["step"]))

    def _validate(self) -> tuple[float, float]:
        """Mean loss over cases, and mean hard Dice over cases and structures that a case has."""
        self.network.eval()
        losses, dice = self._outcomes()
        self.network.train()
        return losses.mean().item(), _mean(dice)

    @torch.no_grad()
    def _outcomes(self) -> tuple[Tensor, Tensor]:
        losses, dice = [], []
        for sample in self.validation_cases:
            self.ask.look()
            logits = self._logits(sample.inputs)
            losses.append(self.loss(logits, sample.label[None]))
            dice.append(hard_dice(logits, sample.label[None]))
        return torch.stack(losses), torch.stack(dice)

    def _batch_statistics_dice(self) -> float:
        """Validation Dice with each case's own statistics (A-09); the network is left as it was."""
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.eval()
        for layer in self.network.modules():
            if isinstance(layer, nn.BatchNorm3d):
                layer.train()
        _, dice = self._outcomes()
        self.network.load_state_dict(before)
        return _mean(dice)

    @contextlib.contextmanager
    def _clock(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            setattr(self.state, name, getattr(self.state, name) + time.perf_counter() - start)

    def _tensors(self) -> dict[str, Tensor]:
        return pack(self.network, self.optimiser, self.best) | {"losses": self.losses}

    def _resume(self) -> None:
        found = self.checkpoints.load() if self.checkpoints else None
        if found is None:
            return
        state, tensors = found
        self.state = State(**state)
        self.best = unpack(tensors, self.network, self.optimiser, self.device)
        self.losses = tensors["losses"].to(self.device)


def _to_device(sample: Sample, device: torch.device) -> Sample:
    return Sample(sample.case, sample.inputs.to(device), sample.label.to(device))


def _mean(dice: Tensor) -> float:
    mean = dice.nanmean().item()
    return 0.0 if math.isnan(mean) else mean


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def _out_of_memory(device: torch.device, error: BaseException) -> UserError:
    where = "GPU" if device.type == "cuda" else "machine"
    return UserError(
        f"The training does not fit into the memory of the {where}.",
        found=(str(error).splitlines() or ["out of memory"])[0][:200],
        todo="Lower `channels` or `grid.size_voxels`, or set `precision: bf16`; or run fewer jobs at once.",
    )
