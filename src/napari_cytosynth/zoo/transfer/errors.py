"""Translation of errors of the Hub's client and its cache to those of this package."""

from __future__ import annotations

import errno

from napari_cytosynth.errors import (
    CytosynthError,
    GatedRepositoryError,
    ModelNotFoundError,
    NetworkError,
    OutputError,
)
from napari_cytosynth.zoo.text import one_line

__all__ = ["explain", "explain_search", "explain_upload", "no_repository"]

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


def explain(error: BaseException, repository: str) -> CytosynthError:
    """Translate an error of the client on `repository` to one of this package."""
    if isinstance(error, CytosynthError):
        return error
    cause = error.__cause__ if _hides_its_cause(error) else None
    if cause is not None:
        return explain(cause, repository)
    return (
        _missing(error, repository)
        or _refused(error, repository)
        or _busy(error, f"“{repository}” could not be fetched")
        or _disk(error, repository)
        or _unreachable(error, repository)
    )


def explain_search(error: BaseException) -> CytosynthError:
    """Translate an error of a search to one of this package."""
    from huggingface_hub import constants

    failure = "The Hub could not be searched"
    return _busy(error, failure) or NetworkError(
        f"{failure} at {constants.ENDPOINT}: {_reason(error)}. Check your connection (and "
        "proxy), then try again."
    )


def explain_upload(error: BaseException, repository: str) -> CytosynthError:
    """Translate an error during the upload to `repository` to one of this package."""
    from huggingface_hub import constants, errors

    if isinstance(error, CytosynthError):
        return error
    if isinstance(error, errors.HFValidationError):
        return ModelNotFoundError(no_repository(repository))
    if isinstance(error, errors.OfflineModeIsEnabled):
        return NetworkError(f"“{repository}” cannot be uploaded while HF_HUB_OFFLINE is set.")
    status = _status(error)
    if status == 401 or isinstance(error, errors.LocalTokenNotFoundError):
        return GatedRepositoryError(
            "The Hub does not know who you are: log in, with a token that may write, by: "
            "hf auth login"
        )
    if status == 403:
        return GatedRepositoryError(
            f"You may not write to “{repository}”: check the organisation's name, and log in "
            "with a token that may write by: hf auth login"
        )
    if status == 404:
        return ModelNotFoundError(
            f"There is no place for “{repository}” at {constants.ENDPOINT}: check the "
            "organisation's name."
        )
    return _busy(error, f"“{repository}” could not be uploaded") or NetworkError(
        f"“{repository}” could not be uploaded to {constants.ENDPOINT}: "
        f"{_reason(error)}. Check your connection (and proxy), then try again."
    )


def no_repository(name: str) -> str:
    """Return the message for an invalid repository name."""
    return f"“{one_line(name, 100)}” cannot be a Hub repository: give it as “organisation/name”."


def _hides_its_cause(error: BaseException) -> bool:
    from huggingface_hub.errors import LocalEntryNotFoundError

    return isinstance(error, LocalEntryNotFoundError)


def _status(error: BaseException) -> int:
    """Return the status of the server's answer; 0 if the error is none."""
    from huggingface_hub.errors import HfHubHTTPError

    return int(error.response.status_code) if isinstance(error, HfHubHTTPError) else 0


def _reason(error: BaseException) -> str:
    return one_line(error, 300) or type(error).__name__


def _busy(error: BaseException, failure: str) -> CytosynthError | None:
    """Translate the answers of a server that is there but does not serve."""
    from huggingface_hub import constants

    status = _status(error)
    if status == 429:
        return NetworkError(
            f"{failure}: {constants.ENDPOINT} was asked too often from here. Wait some minutes; "
            "who is logged in (hf auth login) may ask more often."
        )
    if status >= 500:
        return NetworkError(
            f"{failure}: {constants.ENDPOINT} has a fault of its own (status {status}). It mostly "
            "passes: try again in some minutes."
        )
    return None


def _missing(error: BaseException, repository: str) -> CytosynthError | None:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return None
    if isinstance(error, errors.HFValidationError):
        return ModelNotFoundError(no_repository(repository))
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelNotFoundError(
            f"There is no model “{repository}” on the Hub, or it is private: check the name, "
            "or log in with: hf auth login"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFoundError(f"“{repository}” is on the Hub, but not in that revision.")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return ModelNotFoundError(
            f"“{repository}” on the Hub holds no model.safetensors; no other file is read."
        )
    if _status(error) == 404:
        return ModelNotFoundError(
            f"{constants.ENDPOINT} does not know “{repository}”: check the name, and the variable "
            "HF_ENDPOINT if it is set."
        )
    return None


def _refused(error: BaseException, repository: str) -> CytosynthError | None:
    from huggingface_hub import errors

    gated = isinstance(error, errors.GatedRepoError)
    if _status(error) == 401 and not gated:
        return GatedRepositoryError(
            f"The Hub does not accept your login for “{repository}”: the token has expired or is "
            "mistyped. Log in again with: hf auth login"
        )
    if gated or _status(error) == 403:
        return GatedRepositoryError(
            f"“{repository}” is not open to everybody: ask for access on its Hub page, then "
            "log in with: hf auth login"
        )
    return None


def _disk(error: BaseException, repository: str) -> CytosynthError | None:
    from huggingface_hub import constants, errors

    if not isinstance(error, OSError) or isinstance(error, errors.HfHubHTTPError):
        return None
    if error.errno in _FULL:
        return OutputError(
            f"There is not enough space for “{repository}” in “{constants.HF_HUB_CACHE}”. Make "
            "space, or set HF_HOME to another disk."
        )
    if error.errno in _FORBIDDEN:
        return OutputError(
            f"“{repository}” cannot be stored: no permission to write to "
            f"“{constants.HF_HUB_CACHE}”. Set HF_HOME to a folder of yours."
        )
    return None


def _unreachable(error: BaseException, repository: str) -> CytosynthError:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return NetworkError(
            f"“{repository}” is not on this machine, and HF_HUB_OFFLINE forbids to fetch it."
        )
    return NetworkError(
        f"“{repository}” is not on this machine and could not be fetched from "
        f"{constants.ENDPOINT}: {_reason(error)}. Check your connection (and "
        "proxy), then try again."
    )
