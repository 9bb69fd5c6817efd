#!/bin/sh
# Run a command on a virtual screen of its own, so that windows have a known size and no
# test steals the user's pointer. Where there is no Xvfb (macOS) the command runs as it is.
if command -v xvfb-run >/dev/null 2>&1; then
    exec xvfb-run -a -s "-screen 0 1600x1200x24" "$@"
fi
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo "There is no display. Install xvfb (it brings xvfb-run), then try again." >&2
    exit 1
fi
exec "$@"
