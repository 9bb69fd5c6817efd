"""Trials of a study: an Optuna study that several processes share.

Optuna keeps the trials in a journal beside the runs. A process that works on a trial holds a
lock of the operating system, which a killed process loses at once: the trial is then taken
over where it was, and never repeated.
"""

from __future__ import annotations

import logging
import math
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from optuna.distributions import BaseDistribution

    from .study import Arm, Study

__all__ = ["Store", "TrialLease"]

_DRAWS = 20  # of a sampler, until it draws an arm that was not tried yet


@dataclass(frozen=True)
class TrialLease:
    """Exclusive right of this process to work on a trial.

    Attributes
    ----------
    number
        Of Optuna's trial.
    arm
        Its settings.
    """

    number: int
    arm: Arm


class Store:
    """The trials of one study.

    Parameters
    ----------
    study
        The study.
    folder
        Its folder; ``optuna.log`` in it is the journal.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.study, self.locks = study, folder / "locks"
        self.locks.mkdir(parents=True, exist_ok=True)
        self.space = _space(study)
        journal = folder / "optuna.log"
        # a lock that Windows and network file systems know as well
        lock = JournalFileOpenLock(str(journal))
        backend = JournalFileBackend(str(journal), lock)
        deciding = study.scores[0]
        with self._leasing():
            _mend(journal, lock)
            storage = JournalStorage(backend)
            self.trials = optuna.create_study(
                storage=storage,
                study_name=f"{study.name}: {deciding.direction} {deciding.name}",
                direction=deciding.direction,
                load_if_exists=True,
            )
            self._take_over(storage)
            self.trials.sampler = _sampler(study, len(self.trials.get_trials(deepcopy=False)))

    def _take_over(self, storage: JournalStorage) -> None:
        """Add arms that were begun under another deciding score: they lack the present one."""
        begun = {arm.folder for arm in self.arms()}
        for name in optuna.get_all_study_names(storage):
            former = optuna.load_study(study_name=name, storage=storage)
            for trial in former.get_trials(deepcopy=False):
                if not self._known(trial) or self._arm(trial).folder in begun:
                    continue
                begun.add(self._arm(trial).folder)
                self._add(trial.params)

    def _add(self, picked: Mapping[str, Any]) -> None:
        running = TrialState.RUNNING
        trial = optuna.create_trial(state=running, params=dict(picked), distributions=self.space)
        self.trials.add_trial(trial)

    def _leasing(self) -> FileLock:
        return FileLock(self.locks / "claim.lock")

    def arms(self) -> list[Arm]:
        """Return the arms that were begun, each once, a grid's in its order."""
        found = {arm.folder: arm for arm in map(self._arm, self._begun())}
        if self.study.sampler == "grid":
            grid = [self.study.arm(pick) for pick in self.study.grid()]
            return [arm for arm in grid if arm.folder in found]
        return list(found.values())

    def _begun(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials with settings; a killed process can leave one without."""
        trials = self.trials.get_trials(deepcopy=False)
        return [trial for trial in trials if self._known(trial)]

    def _known(self, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.params.keys() >= self.space.keys()

    def _arm(self, trial: optuna.trial.FrozenTrial) -> Arm:
        return self.study.arm(trial.params)

    @contextmanager
    def lease(self, unfinished: Callable[[Arm], bool]) -> Iterator[TrialLease | None]:
        """Lease an arm that no process works on: an unfinished one, or else a new one.

        Parameters
        ----------
        unfinished
            Whether an arm that was begun has runs to do.

        Yields
        ------
        TrialLease or None
            None if nothing is left to do, or others do it.
        """
        with ExitStack() as stack:
            with self._leasing():
                taken = self._left(unfinished, stack) or self._new(stack)
            yield taken

    def _left(self, unfinished: Callable[[Arm], bool], stack: ExitStack) -> TrialLease | None:
        for trial in self._begun():
            arm = self._arm(trial)
            running = trial.state == TrialState.RUNNING
            if (running or unfinished(arm)) and self._lock(arm, stack):
                return TrialLease(trial.number, arm)
        return None

    def _new(self, stack: ExitStack) -> TrialLease | None:
        begun = {arm.folder for arm in self.arms()}
        if len(begun) >= self.study.planned:
            return None
        drawn = None if self.study.sampler == "grid" else self._drawn(begun, stack)
        return drawn or self._next_combination(begun, stack)

    def _drawn(self, begun: set[str], stack: ExitStack) -> TrialLease | None:
        """Draw new arms from the sampler until one is neither tried nor leased."""
        for _ in range(_DRAWS):
            trial = self.trials.ask(self.space)
            arm = self.study.arm(trial.params)
            if arm.folder not in begun and self._lock(arm, stack):
                return TrialLease(trial.number, arm)
            self.trials.tell(trial, state=TrialState.FAIL)
        return None

    def _next_combination(self, begun: set[str], stack: ExitStack) -> TrialLease | None:
        """Take the first combination that was not tried yet, if there is a list of them."""
        untried = (p for p in self.study.combinations() if self.study.arm(p).folder not in begun)
        pick = next(untried, None)
        if pick is None:
            return None
        self._add(pick)
        arm = self.study.arm(pick)
        self._lock(arm, stack)
        return TrialLease(len(self.trials.get_trials(deepcopy=False)) - 1, arm)

    def _lock(self, arm: Arm, stack: ExitStack) -> bool:
        lock = FileLock(self.locks / f"{arm.folder}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        stack.callback(lock.release)
        return True

    def record_score(self, lease: TrialLease, score: float) -> None:
        """Record the mean score of an arm; NaN marks it as failed."""
        failed = not math.isfinite(score)
        self.trials.tell(
            lease.number,
            None if failed else score,
            state=TrialState.FAIL if failed else None,
            skip_if_finished=True,
        )


def _mend(journal: Path, lock: JournalFileOpenLock) -> None:
    """Remove an incomplete last line, left by a full disk or a power cut."""
    lock.acquire()
    try:
        if journal.is_file():
            written = journal.read_bytes()
            whole = written.rfind(b"\n") + 1
            if whole < len(written):
                os.truncate(journal, whole)
    finally:
        lock.release()


def _space(study: Study) -> dict[str, BaseDistribution]:
    ranges = study.ranges()
    space: dict[str, BaseDistribution] = {}
    for key in study.vary:
        if key not in ranges:
            space[key] = CategoricalDistribution(list(study.choices(key)))
            continue
        limits = ranges[key]
        if limits.whole:
            space[key] = IntDistribution(int(limits.low), int(limits.high), log=limits.log)
        else:
            space[key] = FloatDistribution(limits.low, limits.high, log=limits.log)
    return space


def _sampler(study: Study, begun: int) -> optuna.samplers.BaseSampler:
    """Return a sampler with a seed that earlier trials did not use."""
    seed = study.seeds[0] + 1000 * begun
    if study.sampler == "tpe":
        first = min(10, max(2, (study.trials or 0) // 3))
        return optuna.samplers.TPESampler(n_startup_trials=first, seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)
