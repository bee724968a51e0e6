#!/usr/bin/env python3
"""Largest parts of the program: files it carries, and machine code by crate.

    cargo build --release && python tests/live/binary_size.py

Needs `nm`, `strip` and `ldd`. A generic function counts for the crate whose code it is, not for the one that uses it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTED = 15
# The first path of a demangled name, such as `tokenizers` of `<tokenizers::models::… as …>::f`.
CRATE = re.compile(r"^[<&*\s\[\(]*(?:dyn |mut |const )*([a-z][a-z0-9_]*)(?:\[[0-9a-f]+\])?::")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def code(binary: Path) -> Counter[str]:
    parts: Counter[str] = Counter()
    for line in run("nm", "--print-size", "--demangle", str(binary)).splitlines():
        fields = line.split(maxsplit=3)
        if len(fields) == 4 and fields[2] in "tTwW":
            found = CRATE.match(fields[3])
            parts[found[1] if found else "others (assembly, C)"] += int(fields[1], 16)
    return parts


def main() -> None:
    binary = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/release/compacter"
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "compacter"
        run("strip", "-o", str(stripped), str(binary))
        total = stripped.stat().st_size
    rows = [("whole program, stripped", total)]
    carried = [path for path in (ROOT / "core/assets").rglob("*") if path.suffix in {".json", ".jsonl", ".safetensors"}]
    rows += [(f"carried: {path.relative_to(ROOT)}", path.stat().st_size) for path in carried]
    rows += [(f"code: {name}", size) for name, size in code(binary).most_common(LISTED)]
    print("| part | MB |\n|---|---|")
    for name, size in sorted(rows, key=lambda row: -row[1])[: LISTED + 5]:
        print(f"| {name} | {size / 1e6:.2f} |")
    needed = [line.split()[0] for line in run("ldd", str(binary)).splitlines()]
    print("\nneeds: " + ", ".join(needed))


if __name__ == "__main__":
    main()
