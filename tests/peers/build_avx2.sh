#!/usr/bin/env bash
# Compiles the program of the present commit without AVX-512, for `compare.py --avx2 --program`:
#
#     tests/peers/build_avx2.sh target/avx2
#
# Prints the program's path. Which vectors `gemm` and `pulp` use is decided when a program runs,
# among those that they were compiled with.
set -euo pipefail
folder=$(mkdir -p "${1:?a folder to compile in}" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
source=$folder/source
rm -rf "$source"
mkdir "$source"
git archive HEAD | tar -x -C "$source"
sed -i.with -E 's/(features = \[.*)"x86-v4"(, )?/\1/; s/, \]/]/' "$source/Cargo.toml"
if cmp -s "$source/Cargo.toml" "$source/Cargo.toml.with"; then
    echo "build_avx2.sh: Cargo.toml names no x86-v4 to leave out" >&2
    exit 1
fi
cargo build --release --package compacter-tui --manifest-path "$source/Cargo.toml" \
    --target-dir "$folder/target" >&2
echo "$folder/target/release/compacter"
