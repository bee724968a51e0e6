#!/usr/bin/env python3
"""How long a front end waits, over the wire; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/latency.py [--peer evcxr]

Medians and spreads of twenty. With `--peer`, the kernel of that name (evcxr_jupyter) is
measured in turn, with its defaults and with `:opt 0`.
"""

from __future__ import annotations

import argparse
import statistics
import time

from session import Session

STATEMENT = "let total: f32 = tensor.sqr()?.sum_all()?.to_scalar()?;"
EXPRESSION = "tensor.sqr()?.sum_all()?.to_scalar::<f32>()?"
WRONG = "let wrong: i32 = tensor.sum_all();"
LOOP = "let mut x = 1u64; for i in 0..200_000_000u64 { x = x.wrapping_mul(6364136223846793005).wrapping_add(i ^ (x >> 7)); } x"


def show(name: str, times: list[float]) -> None:
    times = sorted(times)
    print(
        f"{name:<44} median {statistics.median(times):6.3f} s   {times[0]:.3f} to {times[-1]:.3f}   of {len(times)}",
        flush=True,
    )


def timed(session: Session, code: str, count: int, status: str = "ok") -> list[float]:
    times = []
    for _ in range(count):
        outcome = session.run(code)
        assert outcome.status == status, outcome.reply
        times.append(outcome.seconds)
    return times


def ours(count: int) -> None:
    starts, firsts = [], []
    for _ in range(max(count // 4, 3)):
        session = Session()
        session.client.wait_for_ready(timeout=60)
        starts.append(time.monotonic() - session.started)
        time.sleep(max(0.0, session.started + 10 - time.monotonic()))
        firsts.append(session.run("1 + 1").seconds)
        session.__exit__()
    show("kernel_info after start", starts)
    show("first cell, 10 s after start", firsts)
    with Session() as session:
        session.run("let tensor = Tensor::ones((4, 4), DType::F32, &Device::Cpu)?;")
        show("a statement that calls the library", timed(session, STATEMENT, count))
        show("an expression that calls the library", timed(session, EXPRESSION, count))
        show("a compile error", timed(session, WRONG, count, "error"))
        completions = []
        for _ in range(count + 1):
            start = time.monotonic()
            session.client.complete("tensor.sum", reply=True, timeout=60)
            completions.append(time.monotonic() - start)
        show("completion, after the first", completions[1:])
        show("a loop in the cell, %opt 0", timed(session, LOOP, 5))
        session.run("%opt 2")
        show("a loop in the cell, %opt 2", timed(session, LOOP, 5))
        show("an expression that calls the library, %opt 2", timed(session, EXPRESSION, count))


def peer(name: str, count: int, setup: str) -> None:
    with Session(name) as session:
        for line in filter(None, setup.split("\n")):
            outcome = session.await_cell(session.send(line), 3600)
            assert outcome.status == "ok", outcome.reply
        label = setup.split("\n")[0] if setup.startswith(":opt") else "defaults"
        session.run("let tensor = Tensor::ones((4, 4), DType::F32, &Device::Cpu)?;")
        show(f"{name}, {label}: statement", timed(session, STATEMENT, count))
        show(f"{name}, {label}: expression", timed(session, EXPRESSION, count))
        show(f"{name}, {label}: loop in the cell", timed(session, LOOP, 5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--peer", help="name of another kernel to measure beside ours")
    options = parser.parse_args()
    ours(options.count)
    if options.peer:
        library = ':dep candle-core = "=0.11.1"\nuse candle_core::{Tensor, DType, Device};'
        peer(options.peer, options.count, library)
        peer(options.peer, options.count, ":opt 0\n" + library)


if __name__ == "__main__":
    main()
