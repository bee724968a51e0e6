#!/usr/bin/env python3
"""How long a front end waits, over the wire; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/latency.py [--peer rust]

Medians and spreads of twenty (starts and loops: five). With `--peer`, the kernel of that name
is measured in turn with ours, with its defaults and with `:opt 0`: for evcxr_jupyter,
`cargo install evcxr_jupyter@0.22.0 && evcxr_jupyter --install`, and `--peer rust`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from session import Session

STATEMENT = "let total: f32 = tensor.sqr()?.sum_all()?.to_scalar()?;"
EXPRESSION = "tensor.sqr()?.sum_all()?.to_scalar::<f32>()?"
WRONG = "let wrong: i32 = tensor.sum_all();"
LOOP = "let mut x = 1u64; for i in 0..200_000_000u64 { x = x.wrapping_mul(6364136223846793005).wrapping_add(i ^ (x >> 7)); } x"

PRODUCT = """{
    let n = 300;
    let (a, b) = (vec![0.5_f32; n * n], vec![0.25_f32; n * n]);
    let mut c = vec![0_f32; n * n];
    for i in 0..n { for j in 0..n { for k in 0..n { c[i * n + j] += a[i * n + k] * b[k * n + j]; } } }
    c[7]
}"""


def show(name: str, times: list[float]) -> None:
    times = sorted(times)
    print(
        f"{name:<62} median {statistics.median(times):6.3f} s   {times[0]:.3f} to {times[-1]:.3f}   of {len(times)}",
        flush=True,
    )


def starts(kernel: str, count: int) -> None:
    """How long until a kernel answers, and its first cell ten seconds after the start."""
    infos, firsts = [], []
    for _ in range(count):
        session = Session(kernel)
        session.client.wait_for_ready(timeout=60)
        infos.append(time.monotonic() - session.started)
        time.sleep(max(0.0, session.started + 10 - time.monotonic()))
        firsts.append(session.run("1 + 1").seconds)
        session.__exit__()
    show(f"{kernel}: kernel_info after start", infos)
    show(f"{kernel}: first cell, 10 s after start", firsts)


def complete(session: Session) -> float:
    start = time.monotonic()
    session.client.complete("tensor.sum", reply=True, timeout=60)
    return time.monotonic() - start


def run(session: Session, code: str, status: str = "ok") -> float:
    outcome = session.run(code)
    assert outcome.status == status, outcome.reply
    return outcome.seconds


MEASURED: dict[str, tuple[Callable[[Session], float], int]] = {
    "a statement that calls the library": (lambda session: run(session, STATEMENT), 20),
    "an expression that calls the library": (lambda session: run(session, EXPRESSION), 20),
    "a compile error": (lambda session: run(session, WRONG, "error"), 20),
    "completion, after the first": (complete, 20),
    "a loop in the cell, over integers": (lambda session: run(session, LOOP), 5),
    "a loop in the cell, over indexed vectors": (lambda session: run(session, PRODUCT), 5),
}


def cells(sessions: dict[str, Session]) -> None:
    """Each is measured in turn, so that whatever else the machine does is shared."""
    for session in sessions.values():
        run(session, "let tensor = Tensor::ones((4, 4), DType::F32, &Device::Cpu)?;")
        complete(session)
    for what, (measure, count) in MEASURED.items():
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(count):
            for name, session in sessions.items():
                times[name].append(measure(session))
        ours = statistics.median(next(iter(times.values())))
        for name, taken in times.items():
            show(f"{what}: {name}", taken)
            print(f"{'':<62}        {statistics.median(taken) / ours:6.2f} times ours")


def prepared(kernel: str, setup: str) -> Session:
    session = Session(kernel)
    for line in filter(None, setup.split("\n")):
        outcome = session.await_cell(session.send(line), 3600)
        assert outcome.status == "ok", outcome.reply
    return session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="name of another kernel to measure in turn with ours")
    options = parser.parse_args()
    starts("compacter", 5)
    sessions = {"ours": prepared("compacter", ""), "ours, %opt 2": prepared("compacter", "%opt 2")}
    if options.peer:
        starts(options.peer, 5)
        library = ':dep candle-core = "=0.11.1"\nuse candle_core::{Tensor, DType, Device};'
        sessions[options.peer] = prepared(options.peer, library)
        sessions[f"{options.peer}, :opt 0"] = prepared(options.peer, ":opt 0\n" + library)
    try:
        cells(sessions)
    finally:
        for session in sessions.values():
            session.__exit__()


if __name__ == "__main__":
    main()
