"""Free memory, and the refusal of what will not fit into it before any work is done."""

from __future__ import annotations

from pathlib import Path

from napari_cytosynth.errors import InputError

__all__ = ["available_memory", "require_memory"]

_UNITS = ((2**40, "TB"), (2**30, "GB"), (2**20, "MB"), (2**10, "kB"))
_BEYOND = 2**70
_GROUPS = (  # folder of a container's limits, limit, usage: of both versions of control groups
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Return the bytes that this process can still get: of the machine, container and limits."""
    import psutil  # type: ignore[import-untyped]

    found = [int(psutil.virtual_memory().available)]
    found += [left for group in _GROUPS if (left := _left_in_group(*group)) is not None]
    found += _left_of_address_space()
    return max(min(found), 0)


def require_memory(needed: float, what: str, remedy: str) -> None:
    """Raise InputError if a call will need more memory than is free.

    Parameters
    ----------
    needed
        Estimate in bytes.
    what
        What needs it, as the beginning of a sentence: "16 samples of this image".
    remedy
        A sentence that says what to do.
    """
    needed = min(needed, _BEYOND)  # a whole number may be too large for a float
    free = available_memory()
    if needed > free:
        raise InputError(
            f"{what} would need about {_amount(needed)} of memory, and {_amount(free)} are free. "
            f"{remedy}"
        )


def _amount(size: float) -> str:
    if size >= _BEYOND:
        return "more than a billion TB"
    for unit, name in _UNITS:
        if size >= unit:
            value = size / unit
            return f"{value:,.0f} {name}" if value >= 10 else f"{value:.1f} {name}"
    return f"{size:.0f} bytes"


def _left_in_group(folder: str, limit: str, usage: str) -> int | None:
    """Return what a container may still take; None without a limit."""
    try:
        most = int(Path(folder, limit).read_text("ascii"))
        used = int(Path(folder, usage).read_text("ascii"))
        lines = Path(folder, "memory.stat").read_text("ascii").splitlines()
    except (OSError, ValueError):  # no such group, or "max"
        return None
    stat = dict(line.split(maxsplit=1) for line in lines)
    # what files left in the cache is given back as soon as it is needed
    return most - used + int(stat.get("inactive_file", stat.get("total_inactive_file", 0)))


def _left_of_address_space() -> list[int]:
    """Return what a limit of the shell (ulimit -v) leaves; empty without one."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    import psutil

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return []
    return [limit - int(psutil.Process().memory_info().vms)]
