"""A stand-in for the generators, and Generate widgets that run it."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_cytosynth.errors import Cancelled, ModelError
from napari_cytosynth.tasks.generate.nearest import Nearest
from napari_cytosynth.tasks.generate.result import Generation

SIDE = 16


class FakeGenerator:
    """Two images at a time, three steps each; image of seed s is s / 100 everywhere."""

    def __init__(self, model):
        self.model = model
        self.runs = []
        self.hold_at = None
        self.gate = threading.Event()
        self.held = threading.Event()
        self.error = None
        self.masks = False

    def load_model(self, source, device, *, progress):
        progress(0, 0, "Loading the model")
        return self.model

    def sample(self, model, options, *, device, region, **calls):
        # not the callables, which hold on to the job and its result
        self.runs.append(dataclasses.asdict(options) | {"device": device, "region": region})
        first, last, count = options.seed, options.walk_to, options.count
        if last is None:
            return self._make(tuple(range(first, first + count)), options, calls)
        walk = tuple(np.linspace(0, 1, count))
        seeds = tuple(first if place <= 0.5 else last for place in walk)
        return self._make(seeds, options, calls, walk=walk, ends=(first, last))

    def _make(self, seeds, options, calls, **walk):
        images = np.zeros((len(seeds), 2, SIDE, SIDE), np.float32)
        images += np.array(seeds, np.float32)[:, None, None, None] / 100
        if self.runs[-1]["region"] is not None:
            self.runs[-1]["region"].clear(images)
        done = 0
        for start in range(0, len(seeds), 2):
            numbers = list(range(start, min(start + 2, len(seeds))))
            if not self._steps(images, numbers, len(seeds), calls):
                break
            done += len(numbers)
        if not done:
            raise Cancelled("Stopped before the first image was finished.")
        states = np.stack([images * fraction for fraction in (0, 0.5, 1)], 1)[:done]
        return Generation(
            images=images[:done],
            channels=("DNA", "AGP"),
            seeds=seeds[:done],
            model="fake",
            masks=images[:done, 0] > 0.5 if self.masks else None,
            trajectory=states if options.keep_trajectory else None,
            pixel_size_um=0.5,
            messages=["All went well."],
            part=self.runs[-1]["region"],
            provenance={
                "task": "vary" if walk else "generate",
                "version": "0",
                "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
                "source": None,
                "parameters": {"count": done, "seed": seeds[0]},
            },
            **walk,
        )

    def _steps(self, images, numbers, count, calls):
        """Return whether the batch was finished."""
        for step in range(1, 4):
            if self.error is not None:
                raise self.error
            calls["on_preview"](step, 3, images[numbers] * step / 3, numbers)
            for _ in range(2000):
                calls["progress"](numbers[0] * 3 + step, count * 3, f"step {step} of 3")
                if calls["enough"]():
                    return False
                if (numbers[0], step) != self.hold_at or self.gate.is_set():
                    break
                self.held.set()
                self.gate.wait(0.01)
            else:
                raise AssertionError("the test held the generator for too long")
        for number in numbers:
            calls["on_image"](number, images[number])
        return True

    def nearest_training(self, generation, model, crops, *, device):
        if model == "no/embeddings":
            raise ModelError("The model carries no embeddings.")
        count = len(generation)
        found = Nearest(
            distance=np.linspace(0.1, 1, count),
            index=np.arange(count),
            usual=(0.2, 0.3, 0.4, 0.5, 0.6),
            suspicious=np.arange(count) == 0,
            extractor="fake",
            images=None if crops is None else generation.images + 0.01,
        )
        generation.nearest = found
        return found


@pytest.fixture(scope="session")
def fake_model(make_generator):
    """A model of two channels, of which only the card is looked at."""
    model = make_generator("vae", output_channels=["DNA", "AGP"])
    return replace(model, card=model.card.model_copy(update={"name": "fake"}))


@pytest.fixture
def fake(fake_model):
    generator = FakeGenerator(fake_model)
    yield generator
    generator.gate.set()


@pytest.fixture
def make_generate_widget(viewer, dock, fake):
    """Return a function that docks a Generate widget; by default it runs the stand-in."""
    from napari_cytosynth.widgets.generate.job import Tasks
    from napari_cytosynth.widgets.generate.widget import GenerateWidget

    stand_in = Tasks(fake.load_model, fake.sample, fake.nearest_training, lambda folder: folder)

    def make(*, real=False):
        widget = GenerateWidget(viewer, None if real else stand_in)
        dock(widget, "Generate")
        if not real:
            widget.model.value = "fake/model"
            widget.how_many.value = 4
            widget.seed.value = 10
        return widget

    return make


@pytest.fixture
def ran(make_generate_widget):
    """A widget after one run of four images."""
    widget = make_generate_widget()
    widget.run()
    assert widget.wait(20)
    return widget
