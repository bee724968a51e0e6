#!/usr/bin/env bash
# Prints the path of a Python interpreter that has requirements.txt installed, or the file
# of requirements that is given.
#
# Makes the environment on first use (minutes, several GB: PyTorch) in
# ${COMPACTER_CACHE:-~/.cache/compacter}/python-<hash of requirements.txt>, and finds it there
# ever after. An interrupted installation has no stamp and is begun again.
# PYTHON names the interpreter to build on (3.11 or newer).
set -euo pipefail

own=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/requirements.txt
requirements=${1:-$own}
cache=${COMPACTER_CACHE:-$HOME/.cache/compacter}
environment=$cache/python-$(sha256sum "$requirements" | cut -c1-12)
stamp=$environment/.complete

is_complete() {
    [[ -e $stamp && -x $environment/bin/python ]]
}

install() {
    local base=${PYTHON:-python3}
    if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "setup.sh: $base is no Python of 3.11 or newer; name one in PYTHON" >&2
        return 1
    fi
    rm -rf "$environment"
    "$base" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --requirement "$requirements" >&2
    if [[ $requirements == "$own" ]]; then
        "$environment/bin/python" -c 'import adapters, peft, sentencepiece, sklearn, torch' >&2
    fi
    touch "$stamp"
}

if ! is_complete; then
    mkdir -p "$cache"
    # One installation at a time: who waits finds it done.
    exec 9>"$environment.lock"
    flock 9
    is_complete || install
fi
echo "$environment/bin/python"
