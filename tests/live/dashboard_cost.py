#!/usr/bin/env python3
"""What the dashboard costs: the training process's CPU time with and without it, and its own.

    cargo build --release && python3 tests/live/dashboard_cost.py

The same run of the first lesson is trained in turn with plain lines and with the dashboard
attached, each pair in the opposite order of the one before; the ratio of the training
process's CPU times (of all its threads, from the system's clocks) is printed, with its
median. Then the dashboard's own CPU time is measured at two sizes while a run goes on that
makes more than ten steps a second, so that every drawing has something new.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process's threads, the ended ones among them."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(fields[11]) + int(fields[12])) / TICK


class OnTerminal:
    """A program on a pseudo-terminal of a size; what it draws is read and thrown away."""

    def __init__(self, command: list[str], folder: str, size: tuple[int, int]) -> None:
        columns, rows = size
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.terminal = ours
        self.drawn = 0
        self.over = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        while not self.over.is_set():
            ready, _, _ = select.select([self.terminal], [], [], 0.2)
            if ready:
                try:
                    self.drawn += len(os.read(self.terminal, 1 << 16))
                except OSError:
                    return

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def leave(self) -> None:
        """Leaves a run that is over, or detaches from one that goes on."""
        for _ in range(200):
            try:
                self.press("q")
                time.sleep(0.1)
                self.press("\r")
            except OSError:
                break
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.wait(timeout=10)
        self.over.set()
        self.reader.join()
        os.close(self.terminal)


def trainer_of(run: Path) -> int:
    """The process that holds a run, once it does."""
    for _ in range(600):
        try:
            return json.loads((run / "lock").read_text())["pid"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            time.sleep(0.05)
    raise SystemExit(f"{run}: nobody trains it")


def at_end(pid: int) -> float:
    """CPU time of a process when it ends, to the length of a look."""
    last = None
    while (now := cpu_seconds(pid)) is not None:
        state = Path(f"/proc/{pid}/stat")
        last = now
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                break
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.005)
    assert last is not None
    return last


def train(binary: str, steps: int, attached: bool) -> float:
    folder = tempfile.mkdtemp()
    try:
        arguments = ["train", "--name", "cost", "--set", f"train.max_steps={steps}", "--set", "train.threads=1"]
        run = Path(folder) / "runs/cost"
        if attached:
            screen = OnTerminal([binary, *arguments], folder, (120, 40))
            taken = at_end(trainer_of(run))
            screen.leave()
            return taken
        with open(os.devnull, "w", encoding="utf-8") as nothing:
            process = subprocess.Popen([binary, *arguments, "--plain"], cwd=folder, stdout=nothing, stderr=nothing)
            taken = at_end(process.pid)
            process.wait()
            return taken
    finally:
        shutil.rmtree(folder)


def own_share(binary: str, size: tuple[int, int], seconds: float, keys: str) -> tuple[float, float]:
    """CPU seconds a second of a dashboard that watches a busy run, and bytes a second drawn."""
    folder = tempfile.mkdtemp()
    source = ROOT / "tests/fixtures/tiny"
    shutil.copytree(source, Path(folder) / "tiny")
    # Steps of a tiny model, slowed by nothing: some hundred a second.
    arguments = ["train", "tiny/run.toml", "--plain", "--set", "train.max_steps=1000000", "--set", "train.threads=1"]
    trainer = subprocess.Popen([binary, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run = Path(folder) / "runs/tiny"
        trainer_of(run)
        time.sleep(2)
        screen = OnTerminal([binary, "watch", str(run)], folder, size)
        time.sleep(2)
        screen.press(keys)
        time.sleep(1)
        before, drawn, start = cpu_seconds(screen.process.pid), screen.drawn, time.monotonic()
        time.sleep(seconds)
        after, taken = cpu_seconds(screen.process.pid), time.monotonic() - start
        rate = (screen.drawn - drawn) / taken
        screen.leave()
        return (after - before) / taken, rate
    finally:
        trainer.kill()
        trainer.wait()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="?", default=str(ROOT / "target/release/compacter"))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    for size in [(120, 40), (200, 60)]:
        for keys, tab in [("1", "overview"), ("3", "fast weights")]:
            share, rate = own_share(options.binary, size, options.seconds, keys)
            print(f"dashboard at {size[0]}x{size[1]}, {tab}: {share:.2%} of a core, {rate / 1024:.1f} KiB/s", flush=True)
    ratios = []
    for pair in range(options.pairs):
        order = [False, True] if pair % 2 == 0 else [True, False]
        taken = {attached: train(options.binary, options.steps, attached) for attached in order}
        ratios.append(taken[True] / taken[False])
        print(f"training: plain {taken[False]:.2f} s, watched {taken[True]:.2f} s, ratio {ratios[-1]:.4f}", flush=True)
    print(f"CPU time of training, watched / plain: median {statistics.median(ratios):.4f} of {len(ratios)} pairs")


if __name__ == "__main__":
    main()
