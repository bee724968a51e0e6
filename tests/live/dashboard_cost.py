#!/usr/bin/env python3
"""What the dashboard costs the training it shows, and what it costs itself.

    cargo build --release && python3 tests/live/dashboard_cost.py

Three figures:

- What the dashboard takes, at two sizes, while a run goes on that makes more than ten steps a
  second, so that every drawing has something new; and how long its drawings take, from the
  first cell to the terminal having it all.
- The instructions that the training process executes for the same run with plain lines, with
  a dashboard attached and without one, as valgrind counts them: exact, whatever else the
  machine does.
- The CPU time of the training thread for a step, by the system's clock of that thread, with a
  dashboard that draws and with one that is stopped, in turn within the same process; all
  steps have the same work. The median of the ratios with its 95 % interval (bootstrap). On a
  machine that others use too the interval is as wide as their noise.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = """name = "cost"
model.path = "embedded:t5-nano"
method.reduction_factor = 8
task = { kind = "classification", train = "data.tsv", validation = "data.tsv", text = ["sentence"], label = "label", labels = ["negative", "positive"] }
[train]
batch_size = 8
max_steps = 1000000
threads = 1
checkpoint_every = 1000000
[eval]
every = 1000000
"""
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

    def __init__(self, command: list[str], folder: str, size: tuple[int, int], log: int | None = None) -> None:
        columns, rows = size
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        if log:
            environment["COMPACTER_LOG"] = "trace"
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=log or theirs, start_new_session=True
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


def training_seconds(pid: int) -> float:
    """CPU time of the thread of a process that took most, which is the one that trains."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return max(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def steps_done(record: Path) -> int:
    """The last step that is in a record."""
    with record.open("rb") as file:
        file.seek(max(0, record.stat().st_size - 65536))
        lines = file.read().split(b"\n")[1:-1]
    steps = [event["step"] for event in map(json.loads, lines) if event["kind"] == "step"]
    return steps[-1]


def per_step(pid: int, record: Path, seconds: float) -> float:
    """CPU seconds for a step of a process, from one step's end to another's."""

    def at_a_step() -> tuple[int, float]:
        first = steps_done(record)
        while (now := steps_done(record)) == first:
            time.sleep(0.001)
        return now, training_seconds(pid)

    before, start = at_a_step()
    time.sleep(seconds)
    after, end = at_a_step()
    return (end - start) / (after - before)


def attached_and_not(binary: str, fours: int, seconds: float) -> list[float]:
    """Ratios of the CPU time of a step with a dashboard drawing to that with it stopped."""
    folder = tempfile.mkdtemp()
    words = "a fine film and a good story told well by people who know how".split()
    rows = ["sentence\tlabel"] + [f"{' '.join(words[i % 7 :] + words[: i % 7])}\t{i % 2}" for i in range(64)]
    (Path(folder) / "data.tsv").write_text("\n".join(rows) + "\n")
    (Path(folder) / "run.toml").write_text(RUN)
    run = Path(folder) / "runs/cost"
    trainer = subprocess.Popen([binary, "train", "run.toml", "--plain"], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        trainer_of(run)
        time.sleep(4)
        screen = OnTerminal([binary, "watch", str(run)], folder, (120, 40))
        time.sleep(4)
        ratios = []
        for _ in range(fours):
            taken: dict[bool, float] = {True: 0.0, False: 0.0}
            for drawing in [True, False, False, True]:
                screen.process.send_signal(signal.SIGCONT if drawing else signal.SIGSTOP)
                # Catching up is not what is measured.
                time.sleep(0.3)
                taken[drawing] += per_step(trainer.pid, run / "events.jsonl", seconds)
            ratios.append(taken[True] / taken[False])
        print(f"a step, dashboard drawing, last of {fours}: {taken[True] * 500:.3f} ms, stopped: {taken[False] * 500:.3f} ms")
        screen.process.send_signal(signal.SIGCONT)
        screen.leave()
        return ratios
    finally:
        trainer.kill()
        trainer.wait()
        shutil.rmtree(folder)


def instructions(binary: str, steps: int) -> dict[bool, int]:
    """Instructions that training executes with a dashboard attached and without one."""
    folder = Path(tempfile.mkdtemp())
    counts = {}
    try:
        trainers = {}
        for attached in [False, True]:
            own = folder / str(attached)
            shutil.copytree(ROOT / "tests/fixtures/tiny", own / "tiny")
            settings = [f"train.max_steps={steps}", "train.threads=1", "train.checkpoint_every=1000000", "eval.every=1000000"]
            settings = [word for setting in settings for word in ("--set", setting)]
            counting = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={own}/counts"]
            with (own / "said").open("wb") as said:
                command = [*counting, binary, "train", "tiny/run.toml", "--plain", *settings]
                trainers[attached] = subprocess.Popen(command, cwd=own, stdout=subprocess.DEVNULL, stderr=said)
        run = folder / "True/runs/tiny"
        trainer_of(run)
        screen = OnTerminal([binary, "watch", str(run)], str(folder), (120, 40))
        for attached, trainer in trainers.items():
            trainer.wait()
            said = (folder / str(attached) / "said").read_text()
            counts[attached] = int(re.findall(r"I\s+refs:\s+([\d,]+)", said)[0].replace(",", ""))
        screen.leave()
        return counts
    finally:
        shutil.rmtree(folder)


def interval(values: list[float]) -> tuple[float, float]:
    """95 % interval of the median, by the bootstrap."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def own_cost(binary: str, size: tuple[int, int], seconds: float, keys: str) -> tuple[float, float, list[int]]:
    """CPU seconds a second of a dashboard that watches a busy run, bytes a second drawn, and
    microseconds that each drawing took."""
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
        log = Path(folder) / "drawn.log"
        with log.open("wb") as file:
            screen = OnTerminal([binary, "watch", str(run)], folder, size, file.fileno())
        time.sleep(2)
        screen.press(keys)
        time.sleep(1)
        before, drawn, start = cpu_seconds(screen.process.pid), screen.drawn, time.monotonic()
        begun = log.stat().st_size
        time.sleep(seconds)
        after, taken = cpu_seconds(screen.process.pid), time.monotonic() - start
        rate = (screen.drawn - drawn) / taken
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_bytes()[begun:].decode())
        frames = [int(time) for time in re.findall(r"drawn in (\d+) µs", text)]
        screen.leave()
        return (after - before) / taken, rate, frames
    finally:
        trainer.kill()
        trainer.wait()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="?", default=str(ROOT / "target/release/compacter"))
    parser.add_argument("--fours", type=int, default=30)
    parser.add_argument("--stretch", type=float, default=1, help="seconds that the steps are timed at once")
    parser.add_argument("--steps", type=int, default=400, help="steps whose instructions are counted")
    parser.add_argument("--seconds", type=float, default=20, help="seconds that the dashboard is timed")
    options = parser.parse_args()
    for size in [(120, 40), (200, 60)]:
        for keys, tab in [("1", "overview"), ("2", "charts"), ("3", "fast weights")]:
            share, rate, frames = own_cost(options.binary, size, options.seconds, keys)
            frames.sort()
            print(
                f"dashboard at {size[0]}x{size[1]}, {tab}: {share:.2%} of a core, {rate / 1024:.1f} KiB/s; "
                f"{len(frames)} frames, median {statistics.median(frames) / 1000:.2f} ms, "
                f"95 % {frames[len(frames) * 95 // 100] / 1000:.2f} ms",
                flush=True,
            )
    counts = instructions(options.binary, options.steps)
    print(
        f"instructions of {options.steps} training steps: watched {counts[True]:,}, plain {counts[False]:,}, "
        f"ratio {counts[True] / counts[False]:.5f}",
        flush=True,
    )
    ratios = attached_and_not(options.binary, options.fours, options.stretch)
    low, high = interval(ratios)
    print(
        f"CPU time of a training step, watched / plain: median {statistics.median(ratios):.4f} of {len(ratios)} fours, "
        f"95 % interval {low:.4f} to {high:.4f}"
    )


if __name__ == "__main__":
    main()
