#!/usr/bin/env python3
"""Runs the lessons in full and writes what they showed into them; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/outputs.py [NOTEBOOKS]

Each runs in a folder of its own, and says how long it took. A display that goes on changing while
later cells run is kept as it is in the end, as a person sees it.
"""

from __future__ import annotations

import copy
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class Watcher(NotebookClient):
    """A client that hears updates of earlier cells' displays, too."""

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        channel = client.iopub_channel
        receive = channel.get_msg

        async def get_msg(*arguments: Any, **named: Any) -> dict[str, Any]:
            message = await ensure_async(receive(*arguments, **named))
            if message["msg_type"] == "update_display_data":
                identity = message["content"].get("transient", {}).get("display_id")
                # It changes the message it is given.
                self._update_display_id(identity, copy.deepcopy(message))
            return message

        channel.get_msg = get_msg
        return client


def run(lesson: Path) -> None:
    notebook = nbformat.read(lesson, 4)
    with tempfile.TemporaryDirectory() as folder:
        for beside in lesson.parent.glob("*.csv"):
            shutil.copy(beside, folder)
        start = time.monotonic()
        client = Watcher(notebook, timeout=600, record_timing=False, resources={"metadata": {"path": folder}})
        client.execute()
        seconds = time.monotonic() - start
        if folder in (text := nbformat.writes(notebook)):
            notebook = nbformat.reads(text.replace(folder, "/lessons"), 4)
    nbformat.write(notebook, lesson)
    print(f"{lesson.name:<28} {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    for lesson in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        run(lesson)
