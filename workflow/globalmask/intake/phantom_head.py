"""The synthetic head CT: brain stem (1), left eye (2) and right eye (3) in a head fixed for radiotherapy.

Anatomical millimetres: origin in the middle of the head, x left, y back, z up. `phantom_brain` draws what is
inside the skull, `phantom_face` the bones and airways of face and neck; this module draws skin, skull, the
couch, the head holder and the thermoplastic shell.
"""

from __future__ import annotations

import numpy as np

from globalmask.intake.phantom_brain import draw_brain
from globalmask.intake.phantom_canvas import (
    Array,
    Canvas,
    Pose,
    Region,
    capsule,
    ellipsoid,
    paint,
    rotation,
    smooth_noise,
    smooth_union,
)
from globalmask.intake.phantom_face import draw_eyes, draw_face, draw_neck

VERTEX_Z = 95.0
CRANIUM = (0.0, 2.0, 12.0)
SCALP = (76.0, 95.0, VERTEX_Z - CRANIUM[2])
BACK_Y = CRANIUM[1] + SCALP[1]
TILT_DEG = 12.0
MOUTH = (0.0, -58.0, -70.0)


def draw_head(rng: np.random.Generator) -> Canvas:
    """Draw one synthetic head on its couch, with the labels; every choice comes from `rng`."""
    in_plane = rng.uniform(1.25, 1.5)
    spacing = (rng.uniform(1.8, 2.6), in_plane, in_plane)
    extent = (rng.uniform(226, 240), *[rng.uniform(258, 270)] * 2)
    deep, high, wide = (int(round(mm / step)) for mm, step in zip(extent, spacing, strict=True))
    size = np.clip(rng.normal(1.0, 0.03) * rng.normal(1.0, 0.018, 3), 0.93, 1.06)
    head_size, air = float(size.mean()), rng.uniform(10, 20)
    position = (rng.normal(0, 4), -4 + rng.normal(0, 2.5), extent[0] / 2 - air - VERTEX_Z * size[2])
    pose = Pose(_tilt(rng), position, size, 2.5, 70.0, limp_z=(-45.0, -130.0))
    canvas = Canvas((deep, high, wide), spacing, pose=pose, rng=rng)
    rough = smooth_noise(canvas, rng, step_mm=9)
    outline = _outline(canvas.everything(), rng)
    _couch_and_holder(canvas, rng, pose)
    if rng.uniform() < 0.85:
        _shell(canvas, rng, pose, outline)
    _soft_tissue(canvas, rng, outline, rough)
    draw_neck(canvas, rng)
    cavity = _skull(canvas, rng, rough)
    draw_brain(canvas, rng, cavity, rough, head_size=head_size)
    draw_face(canvas, rng, rough)
    draw_eyes(canvas, rng, head_size=head_size)
    if rng.uniform() < 0.4:
        _streaks(canvas, rng, pose)
    return canvas


def _tilt(rng: np.random.Generator) -> Array:
    """A turn of the head, at most `TILT_DEG` about the three axes together."""
    angles = np.clip(rng.normal(0, 4.0, 3), -TILT_DEG, TILT_DEG)
    return rotation(angles * min(1.0, TILT_DEG / max(float(np.linalg.norm(angles)), 1e-6)))


def _cranium(at: Region, shrink: float) -> Array:
    """Approximate distance (mm) to the cranium's super-ellipsoid, `shrink` mm under the scalp."""
    total = np.zeros(at.x.shape, np.float32)
    radii = [radius - shrink for radius in SCALP]
    for axis, middle, radius in zip((at.x, at.y, at.z), CRANIUM, radii, strict=True):
        part = np.abs(axis - np.float32(middle)) * np.float32(1 / radius)
        total += part * part * np.sqrt(part)
    return np.asarray((total ** np.float32(0.4) - 1) * np.float32(np.mean(radii)))


def _outline(at: Region, rng: np.random.Generator) -> Array:
    """Distance (mm) to the skin, ears left out (the shell does not follow them)."""
    jaw, nose = rng.uniform(0.94, 1.06), rng.uniform(-3, 4)
    face = ellipsoid(at, (0, -36, -50), (63 * jaw, 54, 62))
    head = smooth_union(_cranium(at, 0.0), face, 14)
    for side in (-1, 1):
        cheek = capsule(at, (side * 43 * jaw, -12, -58), (side * 22 * jaw, -58, -90), 19, 18)
        head = smooth_union(head, cheek, 12)
    neck = smooth_union(
        capsule(at, (0, 24, -30), (0, 26, -200), 54, 57), ellipsoid(at, (0, 40, -196), (170, 62, 66)), 24
    )
    head = smooth_union(head, neck, 16)
    for side in (-1, 1):
        socket = ellipsoid(at, (side * 33, -93, -9), (17, 15.5, 10.5))
        head = -smooth_union(-head, socket, 5)
    bridge = capsule(at, (0, -86, 2), (0, -101 - nose, -31), 5.5, 7.5)
    wings = ellipsoid(at, (0, -95, -36), (14.5, 11, 7))
    head = smooth_union(head, smooth_union(bridge, wings, 5), 6)
    for height, depth in ((-62, 8.5), (-71, 8)):
        head = smooth_union(head, ellipsoid(at, (0, -87, height), (22, depth, 4)), 2.5)
    chin = smooth_union(
        ellipsoid(at, (0, -79, -95), (17, 14, 12)), capsule(at, (0, -66, -88), (0, -20, -92), 16, 20), 8
    )
    return smooth_union(head, chin, 8)


def _soft_tissue(canvas: Canvas, rng: np.random.Generator, outline: Array, rough: Array) -> None:
    """Skin, fat (thin over the cranium, thick below), muscle cut up by sheets of fat."""
    at = canvas.everything()
    below = np.clip((np.float32(5) - at.z) / 60, 0, 1)
    fat = np.float32(rng.uniform(2.5, 4)) + np.float32(rng.uniform(2.5, 7)) * below
    bundles = smooth_noise(canvas, rng, step_mm=20)
    sheets = np.exp(-((bundles * np.float32(9)) ** 2)) * np.float32(95)
    paint(at, outline, 15.0)
    paint(at, outline + np.float32(2.2), -100 + 6 * rough)
    paint(at, outline + np.float32(2.2) + fat, 57 + 3 * rough - sheets * below)
    for side in (-1, 1):
        _ear(canvas, rng, side)


def _ear(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    lean = rotation((rng.normal(0, 5), 0, side * rng.uniform(18, 32)))
    low = np.array((side * 76.0, 16, -22)) - 34
    at = canvas.region(low, low + 68)
    pinna = ellipsoid(at, (side * 77.5, 17, -22), (3.6, 15, 28), axes=lean.T)
    hollow = ellipsoid(at, (side * 81.0, 12, -24), (4.5, 7.5, 11), axes=lean.T)
    paint(at, np.maximum(pinna, -hollow), 5.0)


def _floor(at: Region) -> Array:
    """Height z (mm) of the inner skull base: front, middle (with the saddle) and back fossa."""

    def fall(start: float, length: float) -> Array:
        step = np.clip((at.y - np.float32(start)) * np.float32(1 / length), 0, 1)
        return step * step * (3 - 2 * step)

    hump = np.exp(-((at.x / 15) ** 2) - ((at.y + 14) / 13) ** 2)
    crest = np.exp(-((at.x / 10) ** 2)) * 5 * fall(-46, -20)
    return 13 - 38 * fall(-46, 16) - 30 * fall(2, 24) + 17 * hump - crest


def _skull(canvas: Canvas, rng: np.random.Generator, rough: Array) -> Array:
    """Paint the skull with its diploe; returns the distance (mm) to the cavity, negative inside."""
    at = canvas.everything()
    thick = np.float32(rng.uniform(5.5, 7.2)) + rough * np.float32(0.35)
    outer = _cranium(at, rng.uniform(6.0, 7.0))
    temples = np.minimum(*(ellipsoid(at, (side * 82, -30, -10), (22, 34, 32)) for side in (-1, 1)))
    outer = -smooth_union(-outer, temples, 8)
    inner = outer + thick
    base = _floor(at) + 2 * rough - at.z
    cavity = smooth_union(-inner, -base, 5) * -1
    bone = np.maximum(outer, base - np.float32(4.5))
    hard = rng.uniform(980, 1200)
    paint(at, bone, hard + 40 * rough)
    marrow = np.abs(outer + thick / 2) - np.float32(1.0) + np.float32(0.5) * rough
    paint(at, np.maximum(marrow, base - 1), 480 + 90 * rough)
    for side in (-1, 1):
        canvas.tube([(side * 14, -8, -30), (side * 30, 6, -27), (side * 56, 20, -26)], (7, 9, 11), hard)
        canvas.tube([(side * 18, -24, 4), (side * 50, -36, 8)], (3, 3), hard)
    canvas.ellipsoid((0, -13, -36), (15, 6.5, 27), 620.0, axes=rotation((-23, 0, 0)).T)
    return cavity


def _couch_and_holder(canvas: Canvas, rng: np.random.Generator, pose: Pose) -> None:
    """A board of foam in a thin skin; on it a cup (or a wedge) of foam that carries head and neck."""
    z, y, x = np.ix_(*canvas.table)
    centre, back = pose.position[0] + rng.uniform(-14, 14), pose.position[1] + BACK_Y * pose.size[1]
    top = np.float32(back + rng.uniform(9, 13))
    sag = np.float32(rng.choice([0.0, 1.2])) * ((x - np.float32(centre)) / 60) ** 2
    depth = np.broadcast_to(top - sag - y + 0 * z, canvas.shape)
    board = np.maximum(depth, np.abs(x - np.float32(centre)) - np.float32(rng.uniform(105, 150)))
    _layer(canvas.hu, board, 2.4, rng.uniform(-140, -60))
    low = pose.position[2] + rng.uniform(-95, -80)
    high = pose.position[2] + rng.uniform(45, 65)
    ring = np.sqrt(
        ((x - np.float32(pose.position[0])) / np.float32(rng.uniform(86, 96))) ** 2
        + ((y - np.float32(pose.position[1])) / np.float32(top - pose.position[1] - 1)) ** 2
    )
    rim = np.float32(pose.position[1] + rng.uniform(30, 55))
    cup = np.maximum((ring - 1) * 92, rim - y)
    cup = np.maximum(np.maximum(cup, np.float32(low) - z), z - np.float32(high))
    _layer(canvas.hu, cup, 1.9, rng.uniform(-100, -50))


def _layer(values: Array, distance: Array, skin_mm: float, skin_hu: float) -> None:
    """Foam inside a thin skin, straight into `values` (drawn before the patient, who lies on top)."""
    for inset, hu in ((0.0, skin_hu), (skin_mm, -930.0)):
        weight = np.clip(np.float32(0.5) - (distance + np.float32(inset)) / np.float32(1.2), 0, 1)
        values += weight * (np.float32(hu) - values)


def _shell(canvas: Canvas, rng: np.random.Generator, pose: Pose, outline: Array) -> None:
    """The thermoplastic shell: follows face and forehead 1 to 3 mm off, falls to the board at the sides."""
    z, y, x = np.ix_(*canvas.table)
    turn = np.float32(pose.position[1] + rng.uniform(0, 14))
    aside = np.abs(x - np.float32(pose.position[0])) - np.float32(77 * pose.size[0])
    wedge = np.maximum(aside - (y - turn) * np.float32(rng.uniform(0.2, 0.32)), turn - y)
    body = smooth_union(outline, np.broadcast_to(wedge + 0 * z, canvas.shape), 14)
    at = canvas.everything()
    gap = np.float32(2.0) + smooth_noise(canvas, rng, step_mm=26) * np.float32(0.8)
    touch = np.exp(-(at.x**2) / 900) * (np.exp(-((at.z - 40) ** 2) / 500) + np.exp(-((at.z + 32) ** 2) / 250))
    gap = np.clip(gap - np.float32(2.2) * touch, 0.2, 3.4)
    sheet = np.abs(body - gap - np.float32(1.1)) - np.float32(1.1)
    ends = np.maximum(np.float32(-98) - at.z, at.z - np.float32(rng.uniform(62, 78)))
    low, high = pose.position[2] - 70, pose.position[2] + 58
    flank = np.maximum(np.maximum(np.float32(low) - z, z - np.float32(high)), turn - 6 - y)
    allowed = np.minimum(np.maximum(ends, y - turn - 2), np.maximum(flank, wedge - 8))
    board = np.float32(pose.position[1] + BACK_Y * pose.size[1] + 9)
    paint(at, np.maximum(np.maximum(sheet, allowed), y - board), rng.uniform(40, 80))


def _streaks(canvas: Canvas, rng: np.random.Generator, pose: Pose) -> None:
    """Faint dark and bright fans from fillings, in the slices at the teeth."""
    for _ in range(int(rng.integers(1, 3))):
        spot = np.add(MOUTH, (rng.choice([-22, 22]), rng.uniform(0, 10), rng.uniform(-6, 6)))
        middle = pose.rotation @ (spot * np.asarray(pose.size)) + np.asarray(pose.position)
        z, y, x = (axis - np.float32(at) for axis, at in zip(canvas.table, middle[::-1], strict=True))
        slices = np.flatnonzero(np.abs(z) < 6)
        radius = np.hypot(y[:, None], x[None, :]) + 4
        angle = np.arctan2(y[:, None], x[None, :])
        fan = sum(np.cos(k * angle + rng.uniform(0, 6.28)) for k in rng.integers(3, 19, 4))
        fan = (fan * rng.uniform(350, 800) / radius * np.exp(-radius / 70)).astype(np.float32)
        for index in slices:
            weight = np.float32(1 - abs(float(z[index])) / 6)
            canvas.hu[index] += fan * weight * (canvas.hu[index] > -700)
