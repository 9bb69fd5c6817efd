from __future__ import annotations

import multiprocessing

import pytest

from napari_cytosynth.training.study.study import Study
from napari_cytosynth.training.study.trials import Store


@pytest.fixture
def make_study():
    def make(**changes):
        values = {
            "name": "ema",
            "recipe": "nuclei-vae",
            "vary": {"train.ema": [0.1, 0.2, 0.3]},
            "scores": [{"name": "Fréchet distance"}],
        }
        return Study.model_validate(values | changes)

    return make


def _everything(arm):
    return False


def test_a_grid_is_gone_through_once(make_study, tmp_path) -> None:
    store, seen = Store(make_study(), tmp_path), []
    while True:
        with store.lease(_everything) as lease:
            if lease is None:
                break
            seen.append(lease.arm.values["train.ema"])
            store.record_score(lease, 1.0)
    assert seen == [0.1, 0.2, 0.3]
    assert [arm.folder for arm in store.arms()] == ["ema-0.1", "ema-0.2", "ema-0.3"]


def test_two_at_work_never_share_an_arm_and_a_dead_ones_is_taken_over(make_study, tmp_path) -> None:
    one, two = (Store(make_study(), tmp_path) for _ in range(2))
    with one.lease(_everything) as first, two.lease(_everything) as second:
        assert first.arm != second.arm
    # neither was told: both left their arm half done
    with two.lease(_everything) as again:
        assert again == first


def _hold(study, folder, ready, leave):
    with Store(study, folder).lease(_everything):
        ready.set()
        leave.wait(60)


def test_a_killed_process_loses_its_arm_at_once(make_study, tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    study = make_study(vary={"train.ema": [0.1]})
    process = context.Process(target=_hold, args=(study, tmp_path, ready, leave))
    process.start()
    assert ready.wait(120)
    store = Store(study, tmp_path)
    with store.lease(_everything) as lease:
        assert lease is None  # the other one works on it
    process.kill()
    process.join()
    with store.lease(_everything) as lease:
        assert lease.arm.folder == "ema-0.1"


def test_an_arm_with_new_seeds_is_taken_up_again(make_study, tmp_path) -> None:
    store = Store(make_study(vary={"train.ema": [0.1]}), tmp_path)
    with store.lease(_everything) as lease:
        store.record_score(lease, 1.0)
    with store.lease(lambda arm: True) as lease:
        assert lease.arm.folder == "ema-0.1"
        store.record_score(lease, 2.0)  # it keeps what it was told first


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_searches_draw_from_ranges_until_the_trials_are_done(sampler, make_study, tmp_path) -> None:
    vary = {
        "train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "train.batch_size": {"low": 2, "high": 8},
        "train.scheduler": ["cosine", "constant"],
    }
    study, found = make_study(vary=vary, sampler=sampler, trials=5), []
    store = Store(study, tmp_path)
    while True:
        with store.lease(_everything) as lease:
            if lease is None:
                break
            found.append(lease.arm.values)
            store.record_score(lease, found[-1]["train.learning_rate"])
    assert len(found) == len(store.arms()) == 5
    assert all(1e-4 <= values["train.learning_rate"] <= 1e-1 for values in found)
    assert all(isinstance(values["train.batch_size"], int) for values in found)


def test_a_search_by_another_score_starts_from_the_arms_that_were_tried(
    make_study, tmp_path
) -> None:
    vary = {"train.learning_rate": {"low": 1e-4, "high": 1e-1}}
    changes = {"vary": vary, "sampler": "tpe", "trials": 3}
    first = Store(make_study(**changes), tmp_path)
    for _ in range(2):
        with first.lease(_everything) as lease:
            first.record_score(lease, 1.0)
    other = Store(make_study(**changes, scores=[{"name": "coverage"}]), tmp_path)
    assert other.arms() == first.arms()
    told = []
    while True:
        with other.lease(_everything) as lease:
            if lease is None:
                break
            told.append(lease.arm)
            other.record_score(lease, float(len(told)))
    assert told[:2] == first.arms()
    assert len(told) == 3
    assert other.trials.best_value == 3  # more coverage is better


def test_two_searches_never_share_an_arm(make_study, tmp_path) -> None:
    study = make_study(sampler="random", trials=2, vary={"train.ema": [0.1, 0.2]})
    one, two = (Store(study, tmp_path) for _ in range(2))
    with one.lease(_everything) as first, two.lease(_everything) as second:
        assert second is None or first.arm != second.arm


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_tries_all_where_there_are_fewer_settings_than_trials(
    sampler, make_study, tmp_path
) -> None:
    store = Store(make_study(sampler=sampler, trials=4), tmp_path)
    for _ in range(3):
        with store.lease(_everything) as lease:
            # TPE would go on and on about the best one
            store.record_score(lease, 1.0 + 100 * (lease.arm.values["train.ema"] != 0.2))
    assert len(store.arms()) == 3
    with store.lease(_everything) as lease:
        assert lease is None


def test_a_study_goes_on_after_its_journal_was_cut(make_study, tmp_path) -> None:
    store = Store(make_study(), tmp_path)
    for _ in range(2):
        with store.lease(_everything) as lease:
            store.record_score(lease, 1.0)
    journal = tmp_path / "optuna.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-12])
    again = Store(make_study(), tmp_path)
    assert len(again.arms()) == 2
    with again.lease(_everything) as lease:
        assert lease.arm.folder == "ema-0.2"  # its end was in the lines that are lost
        again.record_score(lease, 1.0)
    with Store(make_study(), tmp_path).lease(_everything) as lease:
        assert lease.arm.folder == "ema-0.3"
