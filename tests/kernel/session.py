"""A kernel and a front end for the tests: cells are run, and what comes of them is kept."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from typing import Any, Self

from jupyter_client.manager import KernelManager

PATIENCE = 120


@dataclass
class Outcome:
    """What came of a cell."""

    reply: dict[str, Any]
    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        return self.reply["status"]

    def contents(self, kind: str) -> list[dict[str, Any]]:
        return [message["content"] for _, message in self.messages if message["msg_type"] == kind]

    def text(self, name: str = "stdout") -> str:
        return "".join(content["text"] for content in self.contents("stream") if content["name"] == name)

    @property
    def result(self) -> str | None:
        results = self.contents("execute_result")
        return results[-1]["data"]["text/plain"] if results else None


class Session:
    """A kernel that runs, and its front end."""

    def __init__(self, kernel: str = "compacter", **arguments: Any) -> None:
        self.manager = KernelManager(kernel_name=kernel)
        self.started = time.monotonic()
        self.manager.start_kernel(**arguments)
        self.client = self.manager.client()
        self.client.start_channels()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)

    def send(self, code: str, **arguments: Any) -> str:
        return self.client.execute(code, **arguments)

    def await_cell(self, identity: str, patience: float = PATIENCE) -> Outcome:
        """What came of a cell that was sent, once it is idle."""
        start = time.monotonic()
        messages = []
        while True:
            left = start + patience - time.monotonic()
            try:
                message = self.client.get_iopub_msg(timeout=max(left, 0.01))
            except queue.Empty:
                raise TimeoutError(f"the cell is not idle after {patience} s: {messages}") from None
            if message["parent_header"].get("msg_id") != identity:
                continue
            messages.append((time.monotonic() - start, message))
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=10)
            if reply["parent_header"].get("msg_id") == identity:
                return Outcome(reply["content"], messages, time.monotonic() - start)

    def answer(self, text: str) -> dict[str, Any]:
        """Answers a cell's question; what was asked."""
        question = self.client.get_stdin_msg(timeout=PATIENCE)
        assert question["msg_type"] == "input_request", question
        self.client.input(text)
        return question["content"]

    def run(self, code: str, **arguments: Any) -> Outcome:
        return self.await_cell(self.send(code, **arguments))

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()
