#!/usr/bin/env python3
"""Time from the start of a process to the end of its first optimizer step, ours and the peer's.

    cargo build --release
    COMPACTER_SHARED=DATA $(tests/python/setup.sh) tests/peers/first_step.py [PROGRAM]

Whole processes, alternating: Compacter on all-MiniLM-L6-v2, 512 sentences of SST-2, its validation
set tokenised too. The first round is thrown away, so that the disk is warm for both. So few
examples are not kept in the cache of tokens.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7


def seconds_to_step(command, is_step, folder):
    start = time.perf_counter()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if is_step(line):
                taken = time.perf_counter() - start
                process.kill()
                return taken
    sys.exit(f"{command[0]} made no step")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/compacter")
    shared = os.environ.get("COMPACTER_SHARED")
    if not shared:
        sys.exit("first_step.py: set COMPACTER_SHARED to the folder with data/SST-2")
    data = Path(shared).resolve() / "data/SST-2"
    train, validation = data / "low512_seed0.tsv", data / "validation.tsv"
    fetch = ROOT / "tests/python/fetch_minilm.sh"
    model = subprocess.check_output([fetch], text=True).strip()
    fields = {
        "model.path": model,
        "task.train": train,
        "task.validation": validation,
        "train.checkpoint_every": 1000,
    }
    ours = [program, "train", str(ROOT / "tests/live/minilm/compacter.toml"), "--json"]
    for name, value in fields.items():
        ours += ["--set", f"{name}={value}"]
    peer = [sys.executable, str(Path(__file__).with_name("torch_first_step.py")), model]
    peer += [str(train), str(validation)]
    sides = {
        "ours": (ours, lambda line: json.loads(line)["kind"] == "step"),
        "torch": (peer, lambda line: line.strip() == "step"),
    }
    times = {name: [] for name in sides}
    for _ in range(ROUNDS + 1):
        for name, (command, is_step) in sides.items():
            with tempfile.TemporaryDirectory() as folder:
                times[name].append(seconds_to_step(command, is_step, folder))
    for name, taken in times.items():
        taken = taken[1:]
        middle = statistics.median(taken)
        print(f"{name:6} median {middle:.2f} s, {min(taken):.2f} to {max(taken):.2f} s of {ROUNDS}")
    ratios = [b / a for a, b in zip(times["ours"][1:], times["torch"][1:], strict=True)]
    print(f"ours is {statistics.median(ratios):.0f} times sooner ({min(ratios):.0f}–{max(ratios):.0f})")


if __name__ == "__main__":
    main()
