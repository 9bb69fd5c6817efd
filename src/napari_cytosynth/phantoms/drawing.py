"""Placement and drawing of the phantoms' cells."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "Float",
    "Labels",
    "Outline",
    "Place",
    "body_outline",
    "chromatin",
    "draw",
    "edge_distance",
    "ellipse",
    "noise",
    "nucleolus_map",
    "nucleus_outline",
    "phase_map",
    "place",
]

Float: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int32]
Place: TypeAlias = tuple[float, float, float]  # y, x, radius, in pixels
Outline: TypeAlias = Float  # radius at equally spaced angles, relative to the place's radius
_ANGLES = np.linspace(-np.pi, np.pi, 181)


def place(
    rng: np.random.Generator,
    shape: tuple[int, int],
    margin: int,
    count: int,
    radius: float,
    std: float,
    touching: float,
) -> list[Place]:
    """Place `count` objects at random in the field without overlap."""
    field = (shape[0] - 2 * margin) * (shape[1] - 2 * margin)
    area = shape[0] * shape[1]
    wanted = min(round(count * area / field), int(area / radius**2 / 4.0) + 1)
    placed: list[Place] = []
    others = np.empty((wanted, 3))
    for _ in range(30 * wanted):
        if len(placed) == wanted:
            break
        r = radius * float(np.exp(rng.normal(0.0, std)))
        y, x = rng.uniform(0.0, shape[0]), rng.uniform(0.0, shape[1])
        if placed and rng.random() < touching:
            y0, x0, r0 = placed[rng.integers(len(placed))]
            angle, distance = rng.uniform(0.0, 2.0 * np.pi), 0.96 * (r + r0)
            y, x = y0 + distance * np.sin(angle), x0 + distance * np.cos(angle)
        if not (0 <= y < shape[0] and 0 <= x < shape[1]):
            continue
        near = others[: len(placed)]
        if np.all(np.hypot(near[:, 0] - y, near[:, 1] - x) > 0.95 * (near[:, 2] + r)):
            others[len(placed)] = y, x, r
            placed.append((float(y), float(x), r))
    return placed


def nucleus_outline(rng: np.random.Generator) -> Outline:
    """Return a rounded, slightly bean-like outline."""
    long_axis = rng.uniform(-np.pi, np.pi)
    outline = ellipse(rng.uniform(1.05, 1.6), long_axis) * _wobble(rng, (2, 3, 4), 0.05)
    return np.asarray(outline, np.float32)


def body_outline(rng: np.random.Generator) -> Outline:
    """Return a spindle with elongated tips at its ends and at some sides."""
    long_axis = rng.uniform(-np.pi, np.pi)
    outline = ellipse(rng.uniform(1.3, 3.6), long_axis) * _wobble(rng, (2, 3, 4, 5), 0.07)
    ends = [long_axis, long_axis + np.pi, *rng.uniform(-np.pi, np.pi, rng.integers(0, 3))]
    for end in ends:
        tip = np.exp(rng.uniform(15.0, 60.0) * (np.cos(_ANGLES - end - rng.normal(0, 0.2)) - 1.0))
        outline = outline * (1.0 + rng.uniform(0.1, 0.6) * tip)
    return np.asarray(0.9 * outline, np.float32)


def ellipse(aspect: float, long_axis: float) -> Outline:
    """Return an ellipse of the unit circle's area with its long axis at an angle."""
    turned = _ANGLES - long_axis
    a, b = np.sqrt(aspect), 1.0 / np.sqrt(aspect)
    return np.asarray(1.0 / np.hypot(np.cos(turned) / a, np.sin(turned) / b), np.float32)


def _wobble(rng: np.random.Generator, orders: tuple[int, ...], amount: float) -> Outline:
    """Return a factor around 1 that varies smoothly with the angle."""
    waves = [
        rng.uniform(-amount, amount) * np.cos(k * _ANGLES + rng.uniform(0.0, 2.0 * np.pi))
        for k in orders
    ]
    return np.asarray(1.0 + np.sum(waves, axis=0), np.float32)


def draw(shape: tuple[int, int], layout: list[Place], outlines: list[Outline]) -> Labels:
    """Fill outlines; a pixel inside two of them goes to the one it lies deeper in."""
    labels = np.zeros(shape, np.int32)
    depth = np.ones(shape, np.float32)
    for number, ((y, x, r), outline) in enumerate(zip(layout, outlines, strict=True), start=1):
        half_width = int(np.ceil(r * outline.max())) + 1
        window = tuple(
            slice(max(0, int(c) - half_width), min(n, int(c) + half_width + 1))
            for c, n in zip((y, x), shape, strict=True)
        )
        rows = np.arange(window[0].start, window[0].stop)[:, None] - y
        columns = np.arange(window[1].start, window[1].stop)[None, :] - x
        edge = r * np.interp(np.arctan2(rows, columns), _ANGLES, outline)
        own = (np.hypot(rows, columns) / edge).astype(np.float32)
        wins = own < depth[window]
        labels[window][wins], depth[window][wins] = number, own[wins]
    return _connected(labels)


def _connected(labels: Labels) -> Labels:
    """Keep the largest component of every object: a neighbour may have cut off a tip."""
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        components, found = ndimage.label(labels[window] == number)
        if found > 1:
            largest = 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
            labels[window][(components > 0) & (components != largest)] = 0
    return labels


def edge_distance(labels: Labels) -> Float:
    """Return the distance in px of every object's pixel to that object's own edge."""
    distance = np.zeros(labels.shape, np.float32)
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is not None:
            inside = np.pad(labels[window] == number, 1)
            own = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
            distance[window] += own.astype(np.float32)
    return distance


def noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float | tuple[float, ...]
) -> Float:
    """Draw smooth Gaussian noise of mean 0 and standard deviation 1; `sigma` is in px."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma, mode="wrap")
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1e-12), np.float32)


def chromatin(rng: np.random.Generator, nuclei: Labels, per_um: float, std: float = 0.3) -> Float:
    """Draw the stain of nuclei: flat-topped, textured, with dark nucleoli, some dim or bright."""
    distance = edge_distance(nuclei)
    # half a pixel off the distance makes the edge pixel half covered
    depth = np.clip((distance - 0.5) / (3.0 * per_um), 0.0, 1.0)
    dome = np.sqrt(1.0 - (1.0 - depth) ** 2)
    texture = 1.0 + 0.13 * noise(rng, nuclei.shape, 0.9 * per_um)
    nucleoli = 1.0 - 0.4 / (1.0 + np.exp(-8.0 * (noise(rng, nuclei.shape, 1.3 * per_um) - 1.5)))
    brightness = np.exp(rng.normal(0.0, std, int(nuclei.max(initial=0)) + 1))
    stain = dome * texture * nucleoli * brightness[nuclei]
    return np.asarray(np.clip(stain, 0.0, None), np.float32)


def nucleolus_map(rng: np.random.Generator, shape: tuple[int, ...], per_um: float) -> Float:
    """Draw nucleoli as dense spots, 0 to 1, everywhere, to be masked by the nuclei."""
    return np.asarray(np.clip(noise(rng, shape, 0.8 * per_um) - 1.5, 0.0, 1.0), np.float32)


def phase_map(
    rng: np.random.Generator,
    bodies: Labels,
    nuclei: Labels,
    per_um: float,
    nucleoli: Float | None = None,
) -> Float:
    """Draw the phase delay in radians of flat cells with granules and nuclei, and of debris."""
    distance, nuclear = edge_distance(bodies), edge_distance(nuclei)
    body = np.clip((distance - 0.5) / (4.0 * per_um), 0.0, 1.0) ** 0.6
    ruffle = np.exp(-(((distance / per_um - 0.9) / 0.7) ** 2)) * (distance > 0)
    uneven = 0.2 * noise(rng, bodies.shape, 1.6 * per_um)
    granules = np.clip(noise(rng, bodies.shape, 0.4 * per_um) - 1.0, 0.0, None)
    crowd = np.clip(0.4 + 0.5 * noise(rng, bodies.shape, 3.0 * per_um), 0.0, None)
    cytoplasm = body * (1.0 + uneven + 0.9 * granules * crowd * (nuclear == 0)) + 0.3 * ruffle
    lens = np.clip(nuclear / (3.0 * per_um), 0.0, 1.0)
    rim = np.exp(-(((nuclear / per_um - 0.5) / 0.5) ** 2)) * (nuclear > 0)
    spots = nucleolus_map(rng, bodies.shape, per_um) if nucleoli is None else nucleoli
    organs = 0.02 * lens + 0.02 * rim + 0.2 * spots * lens
    thickness = np.exp(rng.normal(0.0, 0.3, int(bodies.max(initial=0)) + 1))[bodies]
    debris = (rng.random(bodies.shape) < 1e-4 / per_um**2).astype(np.float32)
    specks = ndimage.gaussian_filter(debris, 0.5 * per_um) * 0.5 * per_um**2
    phase = thickness * (0.09 * cytoplasm + organs) + specks
    return np.asarray(ndimage.gaussian_filter(phase, 0.3 * per_um), np.float32)
