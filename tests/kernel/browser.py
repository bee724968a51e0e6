#!/usr/bin/env python3
"""JupyterLab as a person sees it, in a real browser without a window; an installed kernel is needed.

    compacter kernel install
    "$(tests/python/setup.sh tests/kernel/requirements-browser.txt)" tests/kernel/browser.py SCREENSHOTS

A training cell is run and its chart seen to move, Tab completes, Shift-Tab explains, and a page
that is closed and opened again has its chart, which goes on where it attaches to the run. The
browser is the system's Chromium (CHROMIUM names another). Pictures of what was seen are left in
the folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect, sync_playwright

CELLS = [
    'let run = Run::builder("").name("seen").set("train.epochs=40").start()?;',
    "run.",
    "Tensor::zeros",
]
PATIENCE = 60_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(folder: Path, token: str) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/api?token={token}", timeout=1).close()
            return server, address
        except OSError:
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.2)
    raise TimeoutError("JupyterLab does not answer")


def cell(page: Page, index: int):
    return page.locator(".jp-Notebook .jp-CodeCell").nth(index)


def focus_end(page: Page, index: int) -> None:
    cell(page, index).locator(".cm-content").click()
    page.keyboard.press("Control+End")


def look(page: Page, shots: Path) -> None:
    expect(page.get_by_text("Rust (Compacter) | Idle")).to_be_visible(timeout=PATIENCE)

    focus_end(page, 0)
    page.keyboard.press("Control+Enter")
    chart = cell(page, 0).locator(".jp-OutputArea-output svg").first
    expect(chart).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(4000)
    first = chart.inner_html()
    page.screenshot(path=shots / "1-training.png")
    page.wait_for_timeout(6000)
    page.screenshot(path=shots / "2-training-later.png")
    assert chart.inner_html() != first, "the chart has not moved"
    print("a training cell: its chart moved in six seconds")

    focus_end(page, 1)
    page.keyboard.type("met")
    # What is typed right before Tab would cancel it: nobody is as quick as a program.
    page.wait_for_timeout(500)
    page.keyboard.press("Tab")
    expect(page.locator(".jp-Completer")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Enter")
    expect(cell(page, 1).locator(".cm-content")).to_contain_text("run.metrics", timeout=5000)
    page.keyboard.press("Control+a")
    page.keyboard.type("run.")
    page.wait_for_timeout(500)
    page.keyboard.press("Tab")
    expect(page.locator(".jp-Completer")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    page.screenshot(path=shots / "3-tab.png")
    offered = page.locator(".jp-Completer code").all_inner_texts()
    assert {"pause", "losses", "factors"} <= set(offered), offered
    page.keyboard.press("Escape")
    print(f"Tab: `run.met` became `run.metrics`, `run.` offers {len(offered)} names")

    focus_end(page, 2)
    page.keyboard.press("Shift+Tab")
    tooltip = page.locator(".jp-Tooltip")
    expect(tooltip).to_be_visible(timeout=PATIENCE)
    expect(tooltip).to_contain_text("Creates a new tensor filled with zeros")
    page.screenshot(path=shots / "4-shift-tab.png")
    page.keyboard.press("Escape")
    print("Shift-Tab: the documentation of Tensor::zeros")

    page.keyboard.press("Control+s")
    page.wait_for_timeout(1000)
    page.reload()
    expect(chart).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(2000)
    page.screenshot(path=shots / "5-opened-again.png")
    print("closed and opened again: the chart is there as it was saved")

    # Jupyter tells a page nothing of displays that another page has shown; the run tells all.
    focus_end(page, 1)
    page.keyboard.press("Control+a")
    page.keyboard.type('let run = Run::attach("runs/seen")?;')
    page.keyboard.press("Control+Enter")
    whole = cell(page, 1).locator(".jp-OutputArea-output svg").first
    expect(whole).to_be_visible(timeout=PATIENCE)
    again = whole.inner_html()
    page.wait_for_timeout(6000)
    page.screenshot(path=shots / "6-attached.png")
    assert whole.inner_html() != again, "the chart of the run attached to has not moved"
    print("attached to from the page opened again: the chart is whole, and moves")


def main() -> None:
    shots = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    shots.mkdir(parents=True, exist_ok=True)
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert browser_path, "no Chromium is found: name one in CHROMIUM"
    with tempfile.TemporaryDirectory() as folder:
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "compacter", "display_name": "Rust"}})
        notebook.cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
        nbformat.write(notebook, Path(folder, "seen.ipynb"))
        token = secrets.token_hex(16)
        server, address = serve(Path(folder), token)
        try:
            with sync_playwright() as playwright:
                flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
                browser = playwright.chromium.launch(executable_path=browser_path, args=flags)
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.goto(f"{address}/lab/tree/seen.ipynb?token={token}")
                try:
                    look(page, shots)
                except BaseException:
                    page.screenshot(path=shots / "failed.png")
                    raise
                browser.close()
        finally:
            server.terminate()
            server.wait(30)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
