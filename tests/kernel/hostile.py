#!/usr/bin/env python3
"""Messages that must not be let in, on every socket; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/hostile.py

After each the kernel must live, answer who has the key, and have run nothing of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
import time
import unittest
import uuid
from pathlib import Path

import zmq
from session import Session

DELIMITER = b"<IDS|MSG>"


def header(kind: str) -> dict:
    return {
        "msg_id": uuid.uuid4().hex,
        "session": "hostile",
        "username": "nobody",
        "date": "2026-01-01T00:00:00Z",
        "msg_type": kind,
        "version": "5.5",
    }


def parts(kind: str, content: object) -> list[bytes]:
    return [json.dumps(part).encode() for part in (header(kind), {}, {}, content)]


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.session = Session()
        assert cls.session.run("1").status == "ok"
        cls.key = cls.session.manager.session.key
        cls.context = zmq.Context()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.session.__exit__()
        cls.context.destroy(linger=0)

    def sign(self, frames: list[bytes]) -> bytes:
        return hmac.new(self.key, b"".join(frames[:4]), hashlib.sha256).hexdigest().encode()

    def dealer(self, channel: str) -> zmq.Socket:
        socket = self.context.socket(zmq.DEALER)
        port = getattr(self.session.manager, f"{channel}_port")
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def attack(self, make) -> None:
        """Sends what `make` makes of a harmful request to each socket, and looks after it."""
        for channel in ("shell", "control", "stdin"):
            trap = Path(tempfile.mkdtemp()) / "trap"
            code = f"std::fs::write({json.dumps(str(trap))}, \"\").unwrap();"
            socket = self.dealer(channel)
            for frames in make(parts("execute_request", {"code": code, "silent": True})):
                socket.send_multipart(frames)
            time.sleep(0.3)
            socket.close(linger=1000)
            self.assertTrue(self.session.manager.is_alive(), channel)
            self.assertEqual(self.session.run("6 * 7").result, "42", channel)
            self.session.client.control_channel.send(
                self.session.client.session.msg("kernel_info_request", {})
            )
            reply = self.session.client.get_control_msg(timeout=10)
            self.assertEqual(reply["content"]["status"], "ok")
            self.assertFalse(trap.exists(), channel)

    def test_wrong_signature(self) -> None:
        self.attack(lambda frames: [[DELIMITER, b"0" * 64, *frames]])

    def test_a_signature_that_is_no_number(self) -> None:
        self.attack(lambda frames: [[DELIMITER, b"not hexadecimal", *frames]])

    def test_no_signature(self) -> None:
        self.attack(lambda frames: [[DELIMITER, b"", *frames], [DELIMITER, *frames]])

    def test_no_delimiter(self) -> None:
        self.attack(lambda frames: [[self.sign(frames), *frames], [b""], [b"a"] * 40])

    def test_too_few_frames(self) -> None:
        self.attack(lambda frames: [[DELIMITER], [DELIMITER, b"ab"], [DELIMITER, self.sign(frames), *frames[:2]]])

    def test_signed_frames_that_are_no_json(self) -> None:
        bad = [b"{", b"\xff\xfe", b"nul", b"[]"]
        self.attack(lambda frames: [[DELIMITER, self.sign(bad), *bad], *self.one_bad(frames)])

    def one_bad(self, frames: list[bytes]) -> list[list[bytes]]:
        made = []
        for at in (0, 3):
            broken = [b"{\"cut" if i == at else frame for i, frame in enumerate(frames)]
            made.append([DELIMITER, self.sign(broken), *broken])
        return made

    def test_a_type_that_nobody_knows(self) -> None:
        unknown = parts("destroy_request", {})
        self.attack(lambda frames: [[DELIMITER, self.sign(unknown), *unknown]])

    def test_ten_megabytes(self) -> None:
        big = parts("execute_request", {"code": "//" + "x" * 10_000_000, "silent": True})
        self.attack(lambda frames: [[DELIMITER, b"0" * 64, *big], [b"y" * 10_000_000]])

    def test_thousands_a_second(self) -> None:
        self.attack(lambda frames: [[DELIMITER, b"0" * 64, *frames] for _ in range(5000)])

    def test_a_replay_runs_once(self) -> None:
        folder = Path(tempfile.mkdtemp())
        code = f"std::fs::write(format!(\"{{}}/{{:?}}\", {json.dumps(str(folder))}, std::time::SystemTime::now()), \"\")?;"
        frames = parts("execute_request", {"code": code, "silent": True})
        socket = self.dealer("shell")
        for _ in range(3):
            socket.send_multipart([DELIMITER, self.sign(frames), *frames])
        self.session.run("1")
        self.session.run("1")
        self.assertEqual(len(os.listdir(folder)), 1)
        socket.close(linger=0)

    def test_heartbeat_gives_back_what_it_got(self) -> None:
        socket = self.context.socket(zmq.REQ)
        socket.connect(f"tcp://127.0.0.1:{self.session.manager.hb_port}")
        socket.send(b"any bytes \x00")
        self.assertTrue(socket.poll(2000))
        self.assertEqual(socket.recv(), b"any bytes \x00")
        socket.close(linger=0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
