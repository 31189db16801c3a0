"""A finished run without any training: small volumes and plausible random scores in the layout of DESIGN.md.

`make_fake_run(folder)` writes `results/fake` and returns (run_dir, plan). Head and heart are a few ellipsoids;
predictions are the truth, shifted and shrunk; scores are drawn, not computed, so values here mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from PIL import Image

from fake_evidence import write_evidence
from globalmask.config import PRESETS
from globalmask.present.outputs import figure_files, sheet_files

SHAPE, SPACING_MM = 48, 4.0
STRUCTURES = {
    "brain": ["brain_stem", "left_eye", "right_eye"],
    "heart": ["Myo", "LA", "LV", "RA", "RV", "AA", "PA"],
}
# centre (z, y, x) and radii in voxels; x to the patient's left, y to the back
ELLIPSOIDS = {
    "brain": [((20, 27, 24), (6, 3, 3)), ((23, 10, 31), (3, 3, 3)), ((23, 10, 17), (3, 3, 3))],
    "heart": [
        ((22, 26, 29), (8, 8, 7)),
        ((26, 33, 24), (5, 4, 5)),
        ((22, 26, 30), (6, 5, 5)),
        ((22, 24, 15), (5, 5, 4)),
        ((20, 17, 21), (6, 5, 6)),
        ((33, 22, 21), (6, 3, 3)),
        ((34, 17, 26), (4, 3, 4)),
    ],
}
HU = {"brain": [35, 10, 10], "heart": [110, 180, 190, 120, 125, 190, 150]}
BASE = {"ct": 0.42, "mask": 0.45, "ct_mask": 0.56}
GAIN = {"ct": 0.14, "mask": 0.09, "ct_mask": 0.105}
SCORE_COLUMNS = [
    *("run", "data", "arm", "variant", "preset", "mask_recipe", "mask_set", "scenario", "n_train", "replicate"),
    *("fold", "case", "structure", "space", "dice", "com_mm", "hd95_mm", "assd_mm", "nsd_1p5mm", "nsd_3mm"),
    *("mirror_dice", "ref_ml", "pred_ml", "ref_lost_share", "status", "labels_train", "labels_val", "labels_mask"),
]


def make_fake_run(
    folder: Path,
    *,
    arms: tuple[str, ...] = ("brain", "heart"),
    sizes: tuple[int, ...] = (1, 2, 4, 8),
    replicates: int = 1,
    variants: tuple[str, ...] = ("modern",),
    scenarios: tuple[str, ...] = ("ct", "mask", "ct_mask"),
    synthetic: bool = True,
    images: bool = True,
    maps: int = 8,
) -> tuple[Path, dict[str, Any]]:
    """Write a run below `folder`; without `images` only scores, histories and run records are written."""
    rng = np.random.default_rng(7)
    run_dir = Path(folder) / "results" / "fake"
    plan = make_plan(arms, sizes, replicates, variants, scenarios, synthetic)
    scores: list[dict[str, Any]] = []
    for arm in plan["arms"]:
        if images:
            _write_cases(run_dir, arm)
        _write_splits(run_dir, arm, replicates)
        for variant in variants:
            for scenario in scenarios:
                for n in sizes:
                    for replicate in range(replicates):
                        cell = run_dir / arm["name"] / variant / scenario / f"n{n}" / f"r{replicate}"
                        _write_training(cell, plan, arm, (variant, scenario, n, replicate), rng)
                        scores += _scores(plan, arm, (variant, scenario, n, replicate), rng)
                        if images:
                            _write_predictions(cell, arm, scenario, n)
                            _write_features(cell, arm, scenario, n, maps, rng)
    pd.DataFrame(scores, columns=SCORE_COLUMNS).to_csv(run_dir / "scores.csv", index=False)
    write_evidence(run_dir, plan)
    return run_dir, plan


def make_plan(
    arms: tuple[str, ...] = ("brain", "heart"),
    sizes: tuple[int, ...] = (1, 2, 4, 8),
    replicates: int = 1,
    variants: tuple[str, ...] = ("modern",),
    scenarios: tuple[str, ...] = ("ct", "mask", "ct_mask"),
    synthetic: bool = True,
) -> dict[str, Any]:
    """The plan of the fake run, with the fields that `globalmask.present` reads."""
    return {
        "run": "fake",
        "seed": 20,
        "replicates": replicates,
        "config": {
            "run": "fake",
            "device": "cpu",
            "arms": {name: {"sizes": list(sizes)} for name in arms},
        },
        "arms": [
            {
                "name": name,
                "published": name if name in STRUCTURES else None,
                "synthetic": synthetic,
                "structures": STRUCTURES[name],
                "sizes": list(sizes),
                "registered": name == "brain",
                "mask_recipe": "threshold" if name == "brain" else "learned",
                "clip_hu": [-200, 200],
                "spacing_mm": SPACING_MM,
                "size_voxels": SHAPE,
                "test_cases": {"0": [f"{name}_{i:02d}" for i in range(8, 12)]},
                "cases": [f"{name}_{i:02d}" for i in range(12)],
            }
            for name in arms
        ],
        "variants": [
            {
                "name": name,
                "preset": name,
                "arms": list(arms),
                "scenarios": list(scenarios),
                "settings": PRESETS["modern" if name == "modern" else "paper"].model_dump(),
                "replicates": {arm: {str(n): replicates for n in sizes} for arm in arms},
            }
            for name in variants
        ],
    }


def _ball(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    z, y, x = np.indices((SHAPE,) * 3)
    parts = ((axis - c) / r for axis, c, r in zip((z, y, x), centre, radii, strict=True))
    return sum(part**2 for part in parts) <= 1


def _label(anatomy: str, shift: tuple[float, ...] = (0, 0, 0), scale: float = 1.0) -> np.ndarray:
    label = np.zeros((SHAPE,) * 3, np.uint8)
    for value, (centre, radii) in enumerate(ELLIPSOIDS[anatomy], 1):
        moved = tuple(c + s for c, s in zip(centre, shift, strict=True))
        label[_ball(moved, tuple(r * scale for r in radii))] = value
    return label


def _write(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((SPACING_MM,) * 3)
    sitk.WriteImage(image, str(path))


def _write_cases(run_dir: Path, arm: dict[str, Any]) -> None:
    name = arm["name"]
    rng = np.random.default_rng(3)
    for index, case in enumerate(arm["cases"]):
        label = _label(name, shift=(0, index % 3 - 1, index % 2))
        body = _ball((24, 24, 24), (22, 22, 18))
        ct = np.where(body, 20, -1000).astype(np.int16)
        for value, hu in enumerate(HU[name], 1):
            ct[label == value] = hu
        ct += rng.normal(0, 12, ct.shape).astype(np.int16)
        folder = run_dir / name / "prepared" / case
        _write(ct, folder / "ct.nii.gz")
        _write(label, folder / "label.nii.gz")
        mask_set = "base" if arm["registered"] else "full-f0"
        mask = body if arm["registered"] else label > 0
        _write(mask.astype(np.uint8), run_dir / name / "masks" / mask_set / f"{case}.nii.gz")
        _write_quality(run_dir / name / "masks" / mask_set, case, index, arm["registered"])
        picture = Image.fromarray(np.clip((ct[22] + 200) / 400 * 255, 0, 255).astype(np.uint8)).resize((192, 192))
        (run_dir / name / "check").mkdir(parents=True, exist_ok=True)
        picture.save(run_dir / name / "check" / f"{case}.png")
        record = {
            "case": case,
            "faults": [],
            "warnings": ["The slices are 5 mm thick."] if index == 1 else [],
            "facts": {},
        }
        (run_dir / name / "check" / f"{case}.json").write_text(json.dumps(record))
        if arm["registered"]:
            picture.save(folder / "registration.png")
            found = {
                "case": case,
                "status": "ok" if index != 5 else "failed",
                "overlap": 0.93,
                "similarity": 0.71,
            }
            (folder / "registration.json").write_text(json.dumps(found))


def _write_quality(folder: Path, case: str, index: int, registered: bool) -> None:
    record = {
        "case": case,
        "recipe": "threshold" if registered else "learned",
        "status": "ok",
        "volume_ml": 3210.5,
    }
    (folder / f"{case}.json").write_text(json.dumps({**record, "offset_zyx": [0, 0, 0], "size_zyx": [SHAPE] * 3}))
    role = "train" if index < 6 else "validation" if index < 8 else "test"
    quality = {"case": case, "part": f"k{index % 5}" if role == "train" else "all", "role": role}
    quality |= {"status": "ok", "ref_lost_share": {"x": 0.0 if index else 0.002}, "warnings": []}
    dice = 0.95 if role == "train" else 0.90 - 0.005 * index
    (folder / f"{case}.quality.json").write_text(json.dumps({**quality, "dice": None if registered else dice}))


def _write_splits(run_dir: Path, arm: dict[str, Any], replicates: int) -> None:
    folder = run_dir / arm["name"] / "splits"
    folder.mkdir(parents=True, exist_ok=True)
    for replicate in range(replicates):
        rows = ["case\trole\tfold\torder"]
        for index, case in enumerate(arm["cases"]):
            role = "train" if index < 8 else "test"
            rows.append(f"{case}\t{role}\t0\t{index if role == 'train' else ''}")
        (folder / f"r{replicate}.tsv").write_text("\n".join(rows) + "\n")


def _write_training(
    cell: Path,
    plan: dict[str, Any],
    arm: dict[str, Any],
    key: tuple[str, str, int, int],
    rng: np.random.Generator,
) -> None:
    variant, scenario, n, replicate = key
    cell.mkdir(parents=True, exist_ok=True)
    steps = np.arange(20, 420, 20)
    pace = {"ct": 160, "mask": 120, "ct_mask": 90}.get(scenario, 130)
    train = 0.15 + 0.8 * np.exp(-steps / pace) + rng.normal(0, 0.012, len(steps))
    validation = 0.22 + 0.74 * np.exp(-steps / pace) + rng.normal(0, 0.02, len(steps))
    dice = 1 - validation
    history = pd.DataFrame({"step": steps, "train_loss": train, "val_loss": validation, "val_dice": dice})
    history["learning_rate"] = 1e-3
    history["train_seconds"] = steps * 0.06
    history["val_seconds"] = steps * 0.01
    history["best"] = (dice == dice.max()).astype(int)
    history.to_csv(cell / "history.csv", index=False)
    best = int(steps[dice.argmax()])
    record = {
        **{
            "arm": arm["name"],
            "variant": variant,
            "scenario": scenario,
            "n": n,
            "replicate": replicate,
            "fold": 0,
        },
        "steps": 400,
        "best_step": best,
        "best_val_dice": float(dice.max()),
        "hours": best * 0.06 / 3600,
        "total_hours": 400 * 0.06 / 3600,
        "attempts": 1,
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "stop_reason": "max_steps",
        "weights": 88_364,
        "versions": {"python": "3.11.0", "torch": "2.9.0", "globalmask": "0.1.0"},
    }
    (cell / "run.json").write_text(json.dumps(record))


def _scores(
    plan: dict[str, Any],
    arm: dict[str, Any],
    key: tuple[str, str, int, int],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    variant, scenario, n, replicate = key
    rows = []
    centre = min(0.93, BASE.get(scenario, 0.4) + GAIN.get(scenario, 0.1) * np.log2(n))
    for place, structure in enumerate(arm["structures"]):
        for case in arm["test_cases"]["0"]:
            dice = float(np.clip(centre + 0.04 * (1 - place) + rng.normal(0, 0.05), 0, 1))
            empty = n == 1 and scenario == "ct" and place == 2
            rows.append(
                {
                    **{
                        "run": plan["run"],
                        "data": "synthetic" if arm["synthetic"] else "real",
                        "arm": arm["name"],
                    },
                    **{"variant": variant, "preset": variant, "mask_recipe": arm["mask_recipe"]},
                    "mask_set": "base" if arm["registered"] else "full-f0",
                    **{
                        "scenario": scenario,
                        "n_train": n,
                        "replicate": replicate,
                        "fold": 0,
                        "case": case,
                    },
                    **{"structure": structure, "space": "crop", "dice": 0.0 if empty else dice},
                    "com_mm": None if empty else float(rng.gamma(3, 1.0)),
                    **{"ref_ml": 25.0, "pred_ml": 0.0 if empty else 24.0, "ref_lost_share": 0.0},
                    **{
                        "status": "pred_empty" if empty else "ok",
                        "labels_train": n,
                        "labels_val": 2,
                    },
                    "labels_mask": 0 if arm["registered"] else 8,
                }
            )
    return rows


def _write_predictions(cell: Path, arm: dict[str, Any], scenario: str, n: int) -> None:
    worse = {"ct": 2.0, "mask": 1.5, "ct_mask": 1.0}.get(scenario, 2.0) / (1 + np.log2(n))
    for index, case in enumerate(arm["test_cases"]["0"]):
        shift = (
            worse * 0.5,
            worse * (0.6 if index % 2 else -0.6) + (index + 8) % 3 - 1,
            worse * 0.4,
        )
        _write(_label(arm["name"], shift, 1 - 0.06 * worse), cell / "predictions" / f"{case}.nii.gz")


def _write_features(
    cell: Path, arm: dict[str, Any], scenario: str, n: int, maps: int, rng: np.random.Generator
) -> None:
    label = _label(arm["name"])
    body = _ball((24, 24, 24), (22, 22, 18)).astype(float)
    soft = np.stack([np.roll(body, k % 4, 1) * 0.5 + (label == 1 + k % 3) * (k % 5) for k in range(maps)])
    soft += rng.normal(0, 0.15, soft.shape)
    soft = soft[rng.permutation(maps)]
    pooled = soft.reshape(maps, 16, 3, 16, 3, 16, 3).mean(axis=(2, 4, 6)).astype(np.float32)
    np.savez_compressed(
        cell / "features.npz",
        maps_slice=soft[:, 22].astype(np.float16),
        ct_slice=(body[22] * 0.55).astype(np.float32),
        label_slice=label[22],
        maps_pooled=pooled,
        mask_slice=body[22].astype(np.uint8),
        slice_z=22,
        scenario=scenario,
        n=n,
        case=arm["test_cases"]["0"][0],
        structures=np.array(arm["structures"]),
        spacing_mm=SPACING_MM,
    )


def blank_pictures(run_dir: Path, plan: dict[str, Any]) -> None:
    """A white spot in the place of every figure and sheet: for reports whose pictures do not matter."""
    for name in [*(f"figures/{n}" for n in figure_files(plan)), *(f"sheets/{n}" for n in sheet_files(plan))]:
        (run_dir / name).parent.mkdir(exist_ok=True)
        if name.endswith(("png", "pdf")):
            Image.new("RGB", (40, 20), "white").save(run_dir / name)
