#!/usr/bin/env python3
"""The lessons, run by the programs that people run notebooks with; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/lessons.py [--with nbclient nbconvert papermill]

Each runs in a folder of its own, and says how long it took. `--short` takes few steps and seeds,
as CI does. A notebook with a cell that fails must fail in each of the three programs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
RUNNERS = ("nbclient", "nbconvert", "papermill")
FAILING = {
    "a panic": 'panic!("on purpose");',
    "a returned error": "Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?.matmul(&Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?)?;",
    "a compile error": "let wrong: i32 = true;",
    "an abort": "std::process::abort();",
}


def execute(runner: str, notebook: Path) -> subprocess.CompletedProcess[str]:
    """Runs a notebook in its folder; its outputs end up beside it."""
    out = notebook.with_suffix(".out.ipynb")
    command = {
        "nbclient": ["jupyter", "execute", "--timeout=600", f"--output={out}", str(notebook)],
        "nbconvert": ["nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=600", "--output", str(out), str(notebook)],
        "papermill": ["papermill", "--no-progress-bar", "--execution-timeout", "600", str(notebook), str(out)],
    }[runner]
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True)


def errors(notebook: Path) -> list[str]:
    """What failed in a notebook, by its own outputs; or that it has none."""
    cells = [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    failed = [output.evalue for output in outputs if output.output_type == "error"]
    return failed if outputs else ["no cell showed anything"]


def run_lessons(runner: str, lessons: list[Path]) -> int:
    failed = 0
    for lesson in lessons:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copy(lesson, folder))
            for beside in lesson.parent.glob("*.csv"):
                shutil.copy(beside, folder)
            start = time.monotonic()
            done = execute(runner, copy)
            seconds = time.monotonic() - start
            wrong = [done.stderr[-2000:]] if done.returncode else errors(copy.with_suffix(".out.ipynb"))
        print(f"{runner:<10} {lesson.name:<28} {seconds:6.1f} s   {'FAILED' if wrong else 'ok'}", flush=True)
        for text in wrong:
            print(text)
        failed += bool(wrong)
    return failed


def run_failing(runner: str) -> int:
    """Notebooks that must fail, and stop at the cell that does."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, code in FAILING.items():
            notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "compacter", "display_name": "Rust"}})
            after = 'std::fs::write("ran-on", "").unwrap();'
            notebook.cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell(after)]
            path = Path(folder, "failing.ipynb")
            nbformat.write(notebook, path)
            done = execute(runner, path)
            stopped = done.returncode != 0 and not Path(folder, "ran-on").exists()
            print(f"{runner:<10} {what:<28} {'fails, as it must' if stopped else 'DID NOT FAIL'}", flush=True)
            failed += not stopped
            Path(folder, "ran-on").unlink(missing_ok=True)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--with", dest="runners", nargs="+", choices=RUNNERS, default=RUNNERS)
    parser.add_argument("--failing-with", nargs="*", choices=RUNNERS, default=RUNNERS)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("lessons", nargs="*", type=Path, help="notebooks; all of them by default")
    options = parser.parse_args()
    if options.short:
        os.environ["COMPACTER_LESSON_SHORT"] = "1"
    lessons = options.lessons or sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    assert lessons, f"there are no lessons in {NOTEBOOKS}"
    failed = sum(run_lessons(runner, lessons) for runner in options.runners)
    failed += sum(run_failing(runner) for runner in options.failing_with)
    total = len(lessons) * len(options.runners) + len(FAILING) * len(options.failing_with)
    print(f"{total - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
