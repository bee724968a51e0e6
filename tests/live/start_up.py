#!/usr/bin/env python3
"""Time from the start of the process to the end of the default run's first optimizer step.

    cargo build --release && python tests/live/start_up.py

Runs in an empty folder, several times; the first is thrown away, so that the disk is warm.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 11


def first_step(binary: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [binary, "train", "--json", "--set", "train.max_steps=1000"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if json.loads(line)["kind"] == "step":
                    taken = time.perf_counter() - start
                    process.kill()
                    return taken
        raise SystemExit(f"{binary} made no step")


def main() -> None:
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/compacter")
    times = [first_step(binary) for _ in range(RUNS)][1:]
    print(f"process start to first step: median {statistics.median(times):.3f} s, largest {max(times):.3f} s of {len(times)}")


if __name__ == "__main__":
    main()
