#!/bin/sh
# Make the virtual environment if it is not there, and install the package into it with the
# tested versions. An environment that is there is kept, only brought up to date.
set -eu

venv=${VENV:-.venv}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "napari-cytosynth needs Python 3.11 or newer; $python is $("$python" --version)." >&2
    echo "Name another one: make PYTHON=python3.12 ..." >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

# PyPI's torch for Linux brings some gigabytes of CUDA: without an NVIDIA GPU the much
# smaller build for CPUs is enough. Where its index cannot be reached, PyPI's serves as well.
index=https://download.pytorch.org/whl/cpu
set --
if [ "$(uname -s)" = Linux ] && [ ! -e /dev/nvidiactl ] &&
    "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$index/torch/', timeout=5)" \
        2>/dev/null; then
    set -- --extra-index-url "$index"
fi

echo "Installing into $venv; the first time this takes some minutes."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" \
    -c constraints.txt "napari[pyqt6]" -e '.[train,distributed,onnx,parquet,plots,readers,test]'
