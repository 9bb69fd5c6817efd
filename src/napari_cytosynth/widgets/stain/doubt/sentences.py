"""What is said of doubtful nuclei, and of what is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.stain.hiding import NucleusRule, SpreadRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_cytosynth.widgets.stain.hiding import Rule

__all__ = ["about_hidden", "about_nuclei", "joined", "nothing_to_find", "what_it_will_tell"]

_LEAST_TIMES = 0.01
_HARDLY = 0.2  # of a nucleus: so few are expected to be wrong
_WRONG = "not there, or not in that shape"


def joined(names: Sequence[str]) -> str:
    """Return “A”, “A and B” or “A, B and C”."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def nothing_to_find(channels: Sequence[str]) -> str:
    """Return why a result has no nuclei to doubt."""
    return f"No stain of this result ({joined(channels)}) shows nuclei: none can be doubted."


def what_it_will_tell(stain: str, block: Any) -> str:
    """Return what a search will tell, before it is begun.

    Parameters
    ----------
    stain
        Name of the stain that shows nuclei.
    block
        The card's calibration of the doubt; None without.
    """
    if block is None:
        return (
            f"The model's card has no calibration of doubt for {stain}: nuclei can be found and "
            "outlined, but the doubt of each stays unknown."
        )
    return (
        f"On the calibration images ({block.count} {block.objects} in {block.fields} fields) "
        f"{100 * block.wrong:.0f} % of the {_named(block.objects, stain)} were {_WRONG}."
    )


def _named(objects: str, stain: str) -> str:
    """Return “nuclei in DNA”, or “nuclei” where the stain is called like what it shows."""
    return objects if objects == stain else f"{objects} in {stain}"


def about_nuclei(objects: Any) -> str:
    """Return the sentence on a finished search."""
    count, what, stain = len(objects.table), objects.objects, objects.stain
    if not count:
        return f"No {_named(what, stain)} were found."
    if objects.doubt is None:
        order = (
            f" Instead, the buttons begin with the {what} that are found again least well when "
            "the image is turned and mirrored: an overlap, no probability."
            if "outline_views" in objects.features
            else ""
        )
        return " ".join([f"{count} {_named(what, stain)}.", *objects.messages]) + order
    wrong = objects.expected_wrong
    about = f"about {wrong:.0f}" if wrong >= 1 else f"about {wrong:.1f}"
    if wrong < _HARDLY:
        about = "hardly any"
    return (
        f"{count} {_named(what, stain)}. By the sum of their doubts {about} of them are {_WRONG}, "
        "if this image is like those of the calibration."
    )


def about_hidden(
    fraction: float, rules: Mapping[str, Rule], gone: Sequence[str], block: Any, unknown: str
) -> str:
    """Return the sentence below the slider.

    Parameters
    ----------
    fraction
        That the user wants to be hidden, 0 to 1.
    rules
        What is hidden first, by stain.
    gone
        Stains whose layers the user has deleted or filled with other data.
    block
        The card's calibration of the doubt; None without.
    unknown
        Why some stains have no rule; empty where all have one.
    """
    if fraction <= 0:
        return "Nothing is hidden."
    there = {name: rule for name, rule in rules.items() if name not in gone}
    parts = [
        _nuclei(name, rule, rule.limit(fraction), block)
        for name, rule in there.items()
        if isinstance(rule, NucleusRule)
    ]
    by_pixel = {name: rule for name, rule in there.items() if isinstance(rule, SpreadRule)}
    if by_pixel:
        parts.append(_pixels(by_pixel, fraction))
    if gone:
        parts.append(f"{joined(gone)}: not hidden, as its layer is gone or holds your own data.")
    return " ".join([*parts, unknown]).strip() or "Nothing is hidden."


def _nuclei(stain: str, rule: NucleusRule, limit: float, block: Any) -> str:
    number = rule.number_hidden(limit)
    share = (
        f"{number} of {rule.count} {_named('nuclei', stain)} ({100 * number / rule.count:.0f} %)"
    )
    if np.isneginf(limit):
        return f"Hidden: {share}, and all else of {stain}: nothing is left."
    if not number:
        return f"Hidden: {share}."
    return f"Hidden: {share}, of a doubt from {limit:.2f} on.{_of_the_wrong(block, limit)}"


def _of_the_wrong(block: Any, limit: float) -> str:
    from napari_cytosynth.tasks.stain.objects.doubt import wrong_share_above

    share = None if block is None else wrong_share_above(block, limit)
    if share is None:
        return " The card does not tell what share of the wrong nuclei that is."
    return f" In the calibration fields that was {100 * share:.0f} % of the wrong nuclei."


def _pixels(rules: Mapping[str, SpreadRule], fraction: float) -> str:
    names = joined(list(rules))
    if fraction >= 1:
        return f"Hidden: all of {names}."
    limits = ", ".join(_times(rule.limit(fraction)) for rule in rules.values())
    return (
        f"Hidden in {names}: the {100 * fraction:.3g} % of the stain where the views differ most "
        f"for its brightness (from {limits} times the usual on)."
    )


def _times(limit: float) -> str:
    return f"{limit:.2g}" if limit >= _LEAST_TIMES else f"less than {_LEAST_TIMES}"
