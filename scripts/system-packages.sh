#!/bin/sh
# See that the system has what napari's window needs: libraries that no Python wheel brings,
# and a virtual X server. As root on Debian or Ubuntu they are installed, otherwise the line
# that installs them is printed. Other systems are left alone.
set -eu

command -v dpkg-query >/dev/null 2>&1 || exit 0

packages="python3-venv xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libglib2.0-0
    libdbus-1-3 libfontconfig1 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
    libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
    libxcb-xinerama0 fonts-dejavu-core"

installed() {
    # newer releases renamed some libraries for 64-bit times: libglib2.0-0t64
    for name in "$1" "$1t64"; do
        case $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) in
            *"ok installed") return 0 ;;
        esac
    done
    # a Python that is not the system's brings its own venv
    [ "$1" = python3-venv ] && "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null
}

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Some system packages are missing. Install them with this line, then try again:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
