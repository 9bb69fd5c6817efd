"""Look whether the pages of others that the documents link to are still there. Needs the network.

`make docs` checks the links within the documents; those that lead away are checked by this, now
and then, and by no test. Pages of this project count only once they are published.

Usage: check-links.py [--list]      exit status 1 if a page is gone
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"https?://[^\s)>\]\"'`|]+")
OWN = ("https://github.com/napari-cytosynth/", "https://napari-cytosynth.github.io/")
NO_PAGES = re.compile(r"example\.(org|com)|//localhost|//127\.|download\.pytorch\.org/whl|[…$<{]")
GONE = {404, 410}
"""What a page that is gone answers; others (403, 429 …) turn programs away, not readers."""


def links() -> dict[str, list[str]]:
    """Return the pages that are linked to, and the files that do."""
    found = defaultdict(list)
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    files += (ROOT / "src" / "napari_cytosynth" / "weights").glob("*/README.md")
    for file in sorted(files):
        for link in dict.fromkeys(LINK.findall(file.read_text("utf-8"))):
            page = link.rstrip(".,;:*").partition("#")[0]
            if not page.startswith(OWN) and not NO_PAGES.search(page):
                found[page].append(str(file.relative_to(ROOT)))
    return dict(found)


def problem(page: str) -> str:
    """Return why a page cannot be read; empty if it can, or if that cannot be told."""
    request = urllib.request.Request(page, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    try:
        with urllib.request.urlopen(request, timeout=20):
            return ""
    except urllib.error.HTTPError as error:
        return f"gone ({error.code})" if error.code in GONE else ""
    except OSError as error:
        return f"not reached ({getattr(error, 'reason', error)})"


def main() -> int:
    """List the links, or those that lead nowhere."""
    pages = links()
    if "--list" in sys.argv[1:]:
        sys.stdout.write("\n".join([*pages, ""]))
        return 0
    broken = {page: why for page in pages if (why := problem(page))}
    for page, why in broken.items():
        sys.stdout.write(f"{page}: {why}, in {', '.join(pages[page])}\n")
    sys.stdout.write(f"{len(pages)} pages, {len(broken)} of which cannot be read.\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
