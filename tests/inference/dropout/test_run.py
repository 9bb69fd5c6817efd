"""A run of samples: what it shows, when it stops, and what it does when memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import Cancelled, OutOfMemoryError
from napari_cytosynth.inference.dropout import sampler as module

WHOLE = 100_000


# -- while it runs ------------------------------------------------------------------------


def test_the_image_sharpens_sample_by_sample(mc):
    seen = []
    result = mc.run(
        mc.make(),
        16,
        samples=4,
        settings={"batch_size": 3},
        on_sample=lambda *now: seen.append(now),
    )
    expected = mc.naive(mc.make(), mc.PLANE, 4)
    assert [count for count, _, _ in seen] == [1, 2, 3, 4]
    for count, mean, std in seen:
        mc.assert_same(mean, expected[:count].mean(0))
        if count == 1:
            assert std is None
        else:
            mc.assert_same(std, expected[:count].std(0, ddof=1))
    np.testing.assert_array_equal(seen[-1][1], result.mean)


def test_tile_by_tile_the_image_comes_at_the_end_and_the_user_is_told(mc):
    seen = []
    result = mc.run(
        mc.make(), 16, settings={"memory_budget": 0}, samples=4, on_sample=lambda *a: seen.append(a)
    )
    assert [count for count, _, _ in seen] == [4]
    np.testing.assert_array_equal(seen[0][2], result.std)
    assert any("too large" in message for message in result.messages)


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_enough_keeps_what_was_computed(mc, budget):
    asked = []

    def enough():
        asked.append(True)
        return len(asked) >= 2

    result = mc.run(
        mc.make(),
        16,
        samples=50,
        settings={"memory_budget": budget, "batch_size": 4},
        keep_samples=True,
        enough=enough,
    )
    assert (result.count, result.stopped) == (3, "enough")
    expected = mc.naive(mc.make(), mc.PLANE, 3)
    mc.assert_same(result.mean, expected.mean(0))
    mc.assert_same(result.std, expected.std(0, ddof=1))
    mc.assert_same(result.samples, expected)


def test_enough_from_the_beginning_still_gives_an_uncertainty(mc):
    result = mc.run(mc.make(), samples=50, enough=lambda: True)
    assert (result.count, result.stopped) == (2, "enough")


def test_it_stops_by_itself_once_the_spread_is_known_the_same_however_it_is_cut(mc):
    ways = [(WHOLE, None, 1), (WHOLE, None, 5), (16, None, 1), (16, 0, 2)]
    results = [
        mc.run(
            mc.make(),
            tile_size,
            samples=60,
            settings={"memory_budget": budget, "batch_size": batch},
            tolerance=0.2,
        )
        for tile_size, budget, batch in ways
    ]
    assert {result.stopped for result in results} == {"tolerance"}
    assert len({result.count for result in results}) == 1
    assert 4 <= results[0].count < 60
    for result in results:
        mc.assert_same(result.std, results[0].std)
    stricter = mc.run(mc.make(), samples=60, tolerance=0.12)
    assert stricter.count > results[0].count
    assert mc.run(mc.make(), samples=5, tolerance=1e-4).stopped == "all"


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_progress_grows_up_to_the_total(mc, budget):
    for keywords in ({}, {"tolerance": 0.5}, {"enough": lambda: True}):
        shares = []

        def progress(done, total, message, shares=shares):
            shares.append(done / total)

        limits = {"memory_budget": budget}
        mc.run(mc.make(), 16, samples=9, settings=limits, progress=progress, **keywords)
        assert shares == sorted(shares)
        assert (shares[0], shares[-1], shares.count(1.0)) == (0, 1, 1)


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_cancelling_stops_at_once_and_leaves_no_state_behind(mc, budget):
    runner, calls = mc.sampler(mc.make(), 16, memory_budget=budget, batch_size=1), []

    def stop(done, total, message):
        calls.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        if len(calls) == 25:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        runner.run(mc.PLANE, samples=8, progress=stop)
    assert calls == [(False, True)] * 25
    np.testing.assert_array_equal(
        runner.run(mc.PLANE, samples=0).mean, mc.run(mc.make(), 16, samples=0).mean
    )


# -- memory ----------------------------------------------------------------------------------


class Hungry(nn.Module):
    """A staged network that runs out of memory on more than `limit` pixels at a time."""

    limit = 10**9

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def before_dropout(self, x):
        self.spend(x, x.shape[2] * x.shape[3])
        return self.inner.before_dropout(x)

    def after_dropout(self, *features):
        first = features[0]
        self.spend(first, 4 * first.shape[0] * first.shape[2] * first.shape[3])
        return self.inner.after_dropout(*features)

    def forward(self, x):
        return self.after_dropout(*self.before_dropout(x))

    def spend(self, x, pixels):
        if x.dtype == torch.float32 and pixels > Hungry.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(("pixels", "smaller_tiles"), [(10_000, False), (6000, True), (4200, True)])
def test_out_of_memory_goes_on_with_smaller_batches_and_tiles(
    mc, monkeypatch, pixels, smaller_tiles
):
    expected = mc.run(mc.make(), samples=5, tolerance=1e-6, keep_samples=True)
    runner = mc.sampler(Hungry(mc.make()), 64)
    monkeypatch.setattr(Hungry, "limit", pixels)
    result = runner.run(mc.PLANE, samples=5, tolerance=1e-6, keep_samples=True)
    for name in ("mean", "std", "samples"):
        mc.assert_same(getattr(result, name), getattr(expected, name))
    assert (runner.tile_size < 64) is smaller_tiles
    assert any("Ran out of memory" in message for message in result.messages) is smaller_tiles


def test_running_out_while_sampling_begins_again_tile_by_tile(mc, monkeypatch):
    runner, seen = mc.sampler(mc.make(), 16), []
    add = module.RunningStatistics.add

    def fail_once(self, sample):
        if self.count == 3 and not seen:
            seen.append(True)
            raise MemoryError
        add(self, sample)

    monkeypatch.setattr(module.RunningStatistics, "add", fail_once)
    expected = mc.naive(mc.make(), mc.PLANE, 5)
    mc.assert_same(runner.run(mc.PLANE, samples=5).std, expected.std(0, ddof=1))
    assert seen


def test_no_memory_for_the_smallest_tile_is_our_own_error(mc, monkeypatch):
    runner = mc.sampler(Hungry(mc.make()), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    with pytest.raises(OutOfMemoryError, match="not enough memory on this computer"):
        runner.run(mc.PLANE, samples=2)


def test_other_errors_are_not_taken_for_a_lack_of_memory(mc):
    def broken(count, mean, std):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        mc.run(mc.make(), samples=2, on_sample=broken)
