#!/usr/bin/env python3
"""What a kernel costs, and whether it lasts; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/endurance.py

A minute of updates from a thread while no cell runs; two kernels at once; ten starts in a row; a
kernel restarted in the middle of a run; memory of an idle kernel, size of the installation and of
a kernel's own copy.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import psutil

from session import Session

MIB = 1 << 20


def data() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base, "compacter/kernel")


def processes(session: Session) -> list[psutil.Process]:
    """The kernel's process, its relay's, and the one that runs cells."""
    kernel = psutil.Process(session.manager.provisioner.pid)
    return [kernel, *kernel.children(recursive=True)]


def resident(session: Session) -> float:
    """Memory that the kernel's processes hold for themselves, in MiB."""
    return sum(process.memory_full_info().uss for process in processes(session)) / MIB


def size(folder: Path, apart: bool = False) -> float:
    """Disk space of a folder, in MB; `apart` leaves out what has another name elsewhere."""
    total = 0
    seen = set()
    for root, _, files in os.walk(folder):
        for name in files:
            stat = Path(root, name).lstat()
            if (apart and stat.st_nlink > 1) or stat.st_ino in seen:
                continue
            seen.add(stat.st_ino)
            total += stat.st_blocks * 512
    return total / 1e6


def updates() -> None:
    """A chart that moves for a minute after its cell has ended."""
    with Session() as session:
        session.run("let handle = display(&Table::numbers(&[vec![0.0]]));")
        cell = session.send(
            "std::thread::spawn(move || { for i in 0..1500 { std::thread::sleep(std::time::Duration::from_millis(40));"
            " handle.update(&Table::numbers(&[vec![f64::from(i)]])); } });"
        )
        session.await_cell(cell)
        seconds, parents, memory = [], set(), []
        start = time.monotonic()
        while time.monotonic() - start < 60:
            try:
                message = session.client.get_iopub_msg(timeout=0.5)
            except Exception:  # noqa: BLE001 - the queue is empty
                continue
            if message["msg_type"] == "update_display_data":
                seconds.append(int(time.monotonic() - start))
                parents.add(message["parent_header"]["msg_id"])
                if len(seconds) % 100 == 0:
                    memory.append(resident(session))
        slowest = min(seconds.count(second) for second in range(59))
        print(
            f"updates while no cell runs: {len(seconds)} in 60 s, at least {slowest} in each second; "
            f"memory {memory[0]:.0f} MiB early, {memory[-1]:.0f} MiB late"
        )
        assert slowest >= 10, seconds
        # Those of the cell that made the display.
        assert len(parents) == 1, parents
        assert memory[-1] - memory[0] < 10, memory


def two_at_once() -> None:
    with Session() as one, Session() as two:
        for session, value in ((one, 1), (two, 2)):
            session.run(f"let mine = Tensor::new(&[{value}f32], &Device::Cpu)?;")
        pairs = [(one.send("mine.to_vec1::<f32>()?"), two.send("mine.to_vec1::<f32>()?")) for _ in range(10)]
        for left, right in pairs:
            assert one.await_cell(left).result == "[1.0]"
            assert two.await_cell(right).result == "[2.0]"
    print("two kernels at once: twenty cells, each with its own variables")


def ten_starts() -> None:
    times = []
    for _ in range(10):
        start = time.monotonic()
        with Session() as session:
            assert session.run("6 * 7").result == "42"
            times.append(time.monotonic() - start)
    left = list((data() / "kernels").iterdir())
    print(f"ten starts in a row: first cell asked for at once is answered after {min(times):.1f} to {max(times):.1f} s; {len(left)} folders left")
    assert not left, left


def restart() -> None:
    """The kernel restarts in the middle of a run: it goes on, and its chart is whole again."""
    with tempfile.TemporaryDirectory() as folder, Session(cwd=folder) as session:
        started = session.run(
            'let run = Run::builder("").name("long").set("train.epochs=200").start()?;'
        )
        assert started.status == "ok", started.reply
        time.sleep(5)
        session.manager.restart_kernel(now=True)
        session.client.wait_for_ready(timeout=60)
        attached = session.run('let run = Run::attach("runs/long")?; run.is_running()?')
        assert attached.result == "true", attached.reply
        # Its chart, and every step since the first.
        assert attached.contents("display_data"), attached.messages
        steps = session.run("let losses = run.losses()?; (losses[0].0, losses.len(), losses[losses.len() - 1].0)")
        first, count, last = (int(part) for part in steps.result.strip("()").split(","))
        assert first <= 1 and last > 1 and count >= 2, steps.result
        assert session.run("run.stop()?;").status == "ok"
    print(f"a kernel restarted in the middle of a run: it went on, and its record is whole from step {first} to {last}")


def costs() -> None:
    with Session() as session:
        session.run("let tensor = Tensor::ones((4, 4), DType::F32, &Device::Cpu)?;")
        session.client.complete("tensor.", reply=True, timeout=60)
        time.sleep(2)
        parts = [(process.name(), process.memory_info().rss / MIB) for process in processes(session)]
        own = data() / "kernels" / str(session.manager.provisioner.pid)
        print(f"an idle kernel: {resident(session):.0f} MiB of its own", [f"{name} {rss:.0f} MiB resident" for name, rss in parts])
        print(f"a kernel's own copy: {size(own, apart=True):.0f} MB beside what it shares")
    whole = {entry.name: size(entry) for entry in data().iterdir() if entry.is_dir()}
    print(f"the installation: {size(data()):.0f} MB", {name: f"{mb:.0f}" for name, mb in whole.items()})


def main() -> None:
    costs()
    ten_starts()
    two_at_once()
    updates()
    restart()


if __name__ == "__main__":
    main()
