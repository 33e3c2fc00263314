#!/bin/sh
# Installs flakediag into a virtual environment of its own: the project's Python stays as it is.
#
#   TOOL_HOME    the folder for it (default: flakediag in RUNNER_TEMP); a second call finds it done
#   REQUIREMENT  what to install, such as flakediag==0.1.0 (default: the sources that this file came with)
#   UNHASHED     true: the sources' dependencies in their pinned versions, whatever their files (default: by hash)
#   PYTHON       the Python to do it with (default: python3)
#   GITHUB_PATH  where there is one, later steps find `flakediag` on their path, and nothing else of the environment
set -eu

python=${PYTHON:-python3}
home=${TOOL_HOME:-$RUNNER_TEMP/flakediag}
sources=$(cd "$(dirname "$0")/.." && pwd)
install() {
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "flakediag needs Python 3.11 or later; $python is older or missing (input 'python')" >&2
    exit 1
}
if [ ! -x "$home/bin/flakediag" ]; then
    "$python" -m venv "$home"
    if [ -n "${REQUIREMENT:-}" ]; then
        install "$REQUIREMENT"
    elif [ "${UNHASHED:-false}" = true ]; then
        install --constraint "$sources/constraints.txt" "$sources"
    else
        # What builds it is pinned as well, so that the second line fetches nothing.
        install --require-hashes --only-binary :all: --requirement "$sources/requirements/runtime.txt"
        install --no-index --no-deps --no-build-isolation "$sources"
    fi
fi
mkdir -p "$home/command"
ln -sf ../bin/flakediag "$home/command/flakediag"
"$home/command/flakediag" --version
if [ -n "${GITHUB_PATH:-}" ]; then
    echo "$home/command" >>"$GITHUB_PATH"
fi
