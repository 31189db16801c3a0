"""The synthetic chest round the heart: skin, fat, muscle, ribs, spine, lungs with vessels, liver dome, couch.

Same anatomical millimetres as `phantom_heart` (origin in the middle of the heart, x left, y back, z up).
`draw_chest` comes before the heart is painted, `draw_lung_vessels` after it.
"""

from __future__ import annotations

import numpy as np

from globalmask.intake.phantom_canvas import (
    Array,
    Canvas,
    Point,
    Pose,
    Region,
    capsule,
    ellipsoid,
    paint,
    smooth_noise,
    smooth_union,
)

MIDLINE_X, CENTRE_Y = -12.0, 12.0
INNER = (132.0, 90.0)
"""Half width and half depth of the chest's cavity at the height of the heart, mm."""
SPINE_Y, LEVEL_MM = 74.0, 24.0
BACK_MM = 8.0
"""The muscles of the back add so much to the wall, mm."""
FAT_HU, MUSCLE_HU, BLOOD_HU = -102.0, 55.0, 150.0
LIVER, LEFT_DOME = ((-74, 18, -150), (88, 92, 100)), ((60, 24, -160), (84, 82, 94))


def draw_chest(canvas: Canvas, rng: np.random.Generator, pose: Pose, *, heart: Array) -> None:
    """Paint all but the heart and the great vessels on an empty canvas.

    `heart` is the distance (mm) to the heart's surface for every voxel: the lungs keep away from it.
    """
    at = canvas.everything()
    rough = smooth_noise(canvas, rng, step_mm=10)
    cavity = _ring(at, *INNER)
    fat, coat = rng.uniform(7, 16), rng.uniform(15, 18)
    _couch(canvas, rng, pose, back=CENTRE_Y + INNER[1] + coat + BACK_MM + fat)
    _wall(canvas, rng, cavity, rough, fat=fat, coat=coat)
    _lungs(canvas, rng, cavity, heart, rough)
    _abdomen(canvas, rng, cavity, rough)
    for side in (-1, 1):
        _ribs(canvas, rng, side)
    _sternum(canvas)
    for height in np.arange(-168, 168, LEVEL_MM):
        _vertebra(canvas, float(height))
    _airways(canvas)


def _ring(at: Region, half_width: float, half_depth: float) -> Array:
    """Approximate distance (mm) to an upright super-ellipse round the chest's axis, narrower at the top."""
    taper = 1 - np.float32(0.13) * np.clip((at.z - 10) / 110, 0, 1.4) ** 2
    taper = taper - np.float32(0.03) * np.clip((at.z + 30) / -90, 0, 1)
    u = np.abs(at.x - np.float32(MIDLINE_X)) / (np.float32(half_width) * taper)
    v = np.abs(at.y - np.float32(CENTRE_Y)) / (np.float32(half_depth) * (0.5 + 0.5 * taper))
    size = (u * u * np.sqrt(u) + v * v * np.sqrt(v)) ** np.float32(0.4)
    return (size - 1) * np.float32((half_width + half_depth) / 2)


def _wall(canvas: Canvas, rng: np.random.Generator, cavity: Array, rough: Array, *, fat: float, coat: float) -> None:
    """Skin, fat, muscle cut up by fat, and in some patients breasts; fat fills the inside."""
    at = canvas.everything()
    breasts = rng.uniform(8, 20) if rng.uniform() < 0.5 else None
    wall = np.float32(coat) + np.float32(BACK_MM) * np.clip((at.y - 50) / 50, 0, 1)
    body = cavity - wall - np.float32(fat)
    furrow = capsule(at, (MIDLINE_X, 148 + fat, -170), (MIDLINE_X, 148 + fat, 170), 22, 22)
    body = -smooth_union(-body, furrow, 30)
    if breasts is not None:
        for side in (-1, 1):
            mound = ellipsoid(at, (MIDLINE_X + side * 70, -80 - fat, 6), (52, 14 + breasts, 58))
            body = smooth_union(body, mound, 16)
    paint(at, body, 20.0)
    paint(at, body + np.float32(2.2), FAT_HU + 6 * rough)
    if breasts is not None:
        gland = np.maximum(body + 14, cavity * -1 + np.float32(coat + 4))
        paint(at, np.maximum(gland, 14 * rough + np.abs(at.z - 6) / 4 - 6), 20.0, edge_mm=4)
    sheets = np.exp(-((smooth_noise(canvas, rng, step_mm=24) * np.float32(7)) ** 2)) * np.float32(110)
    paint(at, cavity - wall, MUSCLE_HU + 4 * rough - sheets)
    for side in (-1, 1):
        back = [(MIDLINE_X + side * 26, 102, height) for height in (-170, 170)]
        canvas.tube(back, 19.0, MUSCLE_HU + 2)
    paint(at, cavity - np.float32(1.5), FAT_HU + 6 + 5 * rough)


def _lungs(canvas: Canvas, rng: np.random.Generator, cavity: Array, heart: Array, rough: Array) -> None:
    """Two lungs, denser at the back, with their fissures; the mediastinum stays fat."""
    at = canvas.everything()
    middle = smooth_union(heart - np.float32(6), _mediastinum(at), 18)
    lung = np.maximum(cavity + np.float32(1), -middle)
    base = rng.uniform(-885, -845)
    lie = np.clip((at.y - 20) / 70, -1, 1)
    paint(at, lung, base + 9 * rough + np.float32(28) * lie, edge_mm=2)
    oblique = np.abs(at.z - np.float32(rng.uniform(-12, 8)) - (at.y - 10) * np.float32(1.05)) / np.float32(1.45)
    level = np.abs(at.z - np.float32(rng.uniform(18, 30)) + 2 * rough)
    level = np.maximum(level, np.maximum(at.x + 30, at.y - 20))
    fissure = np.minimum(oblique, level) - np.float32(0.5)
    paint(at, np.maximum(fissure, lung + 2), -730.0)


def _mediastinum(at: Region) -> Array:
    """Distance (mm) to what lies between the lungs besides the heart."""
    x = MIDLINE_X
    spine = capsule(at, (x, 78, -180), (x, 78, 180), 25, 25)
    aorta = capsule(at, (13, 53, -180), (16, 50, 56), 17, 18)
    upper = ellipsoid(at, (x + 6, 6, 112), (33, 46, 72))
    root = ellipsoid(at, (x + 6, 14, 48), (36, 40, 30))
    front = ellipsoid(at, (x + 2, -66, 60), (13, 26, 110))
    gullet = ellipsoid(at, (x + 10, 46, -40), (18, 18, 90))
    middle = smooth_union(smooth_union(spine, aorta, 14), smooth_union(upper, root, 20), 16)
    return smooth_union(smooth_union(middle, gullet, 12), front, 14)


def _abdomen(canvas: Canvas, rng: np.random.Generator, cavity: Array, rough: Array) -> None:
    """Liver under the right dome, stomach and spleen under the left one."""
    at = canvas.region((-180, -120, -190), (180, 140, -30))
    inside = _ring(at, INNER[0] - 1, INNER[1] - 1)
    right, left = ellipsoid(at, *LIVER), ellipsoid(at, *LEFT_DOME)
    lobe = ellipsoid(at, (20, -24, -124), (68, 46, 62))
    paint(at, np.maximum(smooth_union(smooth_union(right, left, 30), lobe, 24), inside), -92.0)
    liver_hu = rng.uniform(80, 118)
    lobe = ellipsoid(at, (6, -26, -126), (50, 42, 60))
    liver = smooth_union(right + np.float32(1.5), lobe, 18)
    paint(at, np.maximum(liver, inside + 2), liver_hu)
    spleen = ellipsoid(at, (92, 72, -128), (28, 34, 48))
    paint(at, np.maximum(np.maximum(spleen, left + 2), inside + 2), liver_hu + 22)
    stomach = np.maximum(ellipsoid(at, (58, 8, -138), (52, 54, 64)), left + 4)
    paint(at, np.maximum(stomach, inside + 3), 62.0)
    paint(at, np.maximum(stomach + 4, inside + 7), 18.0)
    paint(at, np.maximum(stomach + 4, at.y - np.float32(rng.uniform(-14, 8))), -980.0)
    for path in (((-36, 20, -88), (-66, 10, -96), (-100, 0, -106)), ((-36, 22, -92), (-70, 40, -104), (-96, 58, -116))):
        canvas.tube(path, (5, 4, 2), liver_hu + 35)


def _ribs(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """Ribs on one side: a hard shell round marrow, cartilage in front."""
    fall = rng.uniform(3.8, 4.8)
    for height in np.arange(-144, 220, LEVEL_MM):
        path = _rib(side, float(height) + 8, fall)
        canvas.tube(path[-4:], (5.0, 5.2, 5.2, 5.0), 95.0)
        canvas.tube(path[:-3], 5.0, 640.0)
        canvas.tube(path[:-3], 2.6, 260.0)
    for spread in (-12, -4, 4, 12):
        canvas.tube([_round(side, 50 + spread * (z + 20) / 90, z, 10) for z in (38, 80, 150)], (1.8, 2.2, 3.0), 520.0)


def _rib(side: int, height: float, fall: float) -> list[Point]:
    """One rib from the spine round the chest to the sternum, falling towards the front."""
    angles = [*np.linspace(76, -56, 13), -68, -78, -83]
    points: list[Point] = []
    for step, angle in enumerate(angles):
        points.append(_round(side, angle, height - fall * min(step, 12) + max(step - 12, 0) * 3, 5))
    return points


def _round(side: int, angle_deg: float, z: float, out_mm: float) -> Point:
    """A point `out_mm` outside the chest's cavity; 0 degrees is the flank, 90 the back, -90 the front."""
    c, s = float(np.cos(np.deg2rad(angle_deg))), float(np.sin(np.deg2rad(angle_deg)))
    taper = 1 - 0.13 * min(max((z - 10) / 110, 0), 1.4) ** 2 - 0.03 * min(max((z + 30) / -90, 0), 1)
    wide, deep = (INNER[0] + out_mm) * taper, (INNER[1] + out_mm) * (0.5 + 0.5 * taper)
    size = (abs(c) ** 2.5 + abs(s) ** 2.5) ** -0.4
    return MIDLINE_X + side * wide * c * size, CENTRE_Y + deep * s * size, z


def _sternum(canvas: Canvas) -> None:
    front = CENTRE_Y - INNER[1] - 4
    for radius, hu in ((5.5, 480.0), (3.4, 170.0)):
        for offset in (-10, -6, -2, 2, 6, 10):
            x = MIDLINE_X + offset
            canvas.tube([(x, front, -46), (x, front - 1, 20), (x, front + 5, 74)], radius, hu)
    canvas.tube([(MIDLINE_X, front + 1, -52), (MIDLINE_X, front + 4, -74)], (5, 3), 220.0)


def _vertebra(canvas: Canvas, height: float) -> None:
    """One thoracic vertebra, the disc below it, and its stretch of canal and cord."""
    x, y = MIDLINE_X, SPINE_Y
    canvas.tube([(x, y, height - 17), (x, y, height - 9)], 14.5, 85.0)
    for shrink, hu in ((0.0, 560.0), (1.8, 205.0)):
        at = canvas.region((x - 20, y - 20, height - 12), (x + 20, y + 20, height + 12))
        waist = np.float32(17 - shrink) + np.float32(0.012) * (at.z - np.float32(height)) ** 2
        across = np.hypot(at.x - np.float32(x), (at.y - np.float32(y)) * np.float32(1.12)) - waist
        body = np.maximum(across, np.abs(at.z - np.float32(height)) - np.float32(10.2 - shrink))
        paint(at, body, hu)
    for side in (-1, 1):
        canvas.tube([(x + side * 10, y + 12, height + 4), (x + side * 13, y + 24, height + 3)], 4.0, 520.0)
        canvas.tube([(x + side * 13, y + 24, height + 3), (x + side * 33, y + 32, height + 6)], (4.5, 3.6), 470.0)
        canvas.tube([(x + side * 13, y + 24, height + 2), (x, y + 35, height - 6)], 3.4, 560.0)
    canvas.tube([(x, y + 34, height - 5), (x, y + 45, height - 18)], (3.8, 3.2), 520.0)
    canvas.tube([(x, y + 23, height - 12), (x, y + 23, height + 12)], 8.0, 5.0)
    canvas.tube([(x, y + 23, height - 12), (x, y + 23, height + 12)], 4.6, 38.0)


def _airways(canvas: Canvas) -> None:
    """Trachea and main bronchi with their walls; behind them the gullet."""
    gullet = [(MIDLINE_X + 6, 44, 160), (MIDLINE_X + 8, 46, 40), (MIDLINE_X + 12, 50, -60), (20, 40, -110)]
    canvas.tube(gullet, (7, 7, 7.5, 9), 42.0)
    canvas.tube(gullet[:2], 2.0, -400.0)
    fork = (MIDLINE_X + 2, 30, 66)
    left = [fork, (18, 34, 46), (40, 42, 34), (56, 54, 12)]
    right = [fork, (-36, 34, 44), (-50, 38, 26), (-58, 50, 0)]
    upper = [(-36, 34, 44), (-62, 28, 58)]
    for wall, hu in ((1.8, 20.0), (0.0, -985.0)):
        canvas.tube([(MIDLINE_X, 26, 170), fork], 9.0 + wall, hu)
        canvas.tube(left, [size + wall for size in (7.0, 6.2, 4.8, 3.0)], hu)
        canvas.tube(right, [size + wall for size in (8.0, 6.8, 5.0, 3.0)], hu)
        canvas.tube(upper, [size + wall for size in (4.8, 3.0)], hu)


def draw_lung_vessels(canvas: Canvas, rng: np.random.Generator, roots: list[tuple[Point, Point, float]]) -> None:
    """Grow a forking tree from each root `(start, towards, radius)` until it is thin or leaves the lung."""
    waiting = [
        (np.asarray(start, float), _unit(np.subtract(towards, start)), radius) for start, towards, radius in roots
    ]
    while waiting:
        start, heading, radius = waiting.pop()
        tip = start + heading * (9 + 3.0 * radius) * rng.uniform(0.8, 1.25)
        if not _in_lung(tip):
            continue
        thin = radius * 0.92
        canvas.tube([start, tip], (radius, thin), BLOOD_HU - 40 / radius)
        if thin < 0.8:
            continue
        bend = _unit(np.cross(heading, rng.normal(size=3)))
        for turn, share in ((rng.uniform(0.15, 0.5), 0.92), (-rng.uniform(0.5, 0.95), 0.74)):
            if thin * share > 0.65:
                waiting.append((tip, _unit(heading + turn * bend), thin * share))


def _in_lung(point: Array) -> bool:
    """Whether a point is well inside the chest's cavity and above the domes."""
    x, y, z = point
    out = (
        abs((x - MIDLINE_X) / (INNER[0] * (0.92 if z < 60 else 0.84))) ** 2.5
        + abs((y - CENTRE_Y) / (INNER[1] * 0.93)) ** 2.5
    )
    domes = (sum(((point - c) / np.add(r, 6)) ** 2) for c, r in (LIVER, LEFT_DOME))
    return bool(out < 1 and min(domes) > 1 and abs(z) < 140)


def _unit(vector: Array) -> Array:
    return np.asarray(vector, float) / max(float(np.linalg.norm(vector)), 1e-9)


def _couch(canvas: Canvas, rng: np.random.Generator, pose: Pose, *, back: float) -> None:
    """A slightly curved couch of foam in a thin skin; the back (anatomical y, mm) sinks into its mattress."""
    z, y, x = np.ix_(*canvas.table)
    bend = np.float32(rng.uniform(0, 2.2)) * (x / 60) ** 2
    pad_mm = rng.uniform(5, 10)
    top = np.float32(pose.position[1] + back * pose.size[1] + pad_mm - 3) - bend + 0 * z
    depth = np.broadcast_to(top - y, canvas.shape)
    board = np.maximum(depth, np.abs(x) - np.float32(rng.uniform(150, 190)))
    board = np.maximum(board, y - top - np.float32(28))
    for inset, hu in ((0.0, rng.uniform(-160, -60)), (2.4, -935.0)):
        weight = np.clip(np.float32(0.5) - (board + np.float32(inset)) / np.float32(1.4), 0, 1)
        canvas.hu += weight * (np.float32(hu) - canvas.hu)
    canvas.hu[(depth > 0) & (depth < np.float32(pad_mm)) & (board > 0)] = -950
