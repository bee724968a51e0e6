#!/usr/bin/env python3
"""What cells do and what becomes of them; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/behaviour.py
"""

from __future__ import annotations

import time
import unittest
from pathlib import Path

from session import Session


class Cells(unittest.TestCase):
    session: Session

    @classmethod
    def setUpClass(cls) -> None:
        cls.session = Session()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.session.__exit__()

    def ok(self, code: str):
        outcome = self.session.run(code)
        self.assertEqual(outcome.status, "ok", (code, outcome.reply, outcome.text("stderr")))
        return outcome

    def fails(self, code: str, name: str):
        outcome = self.session.run(code)
        self.assertEqual(outcome.status, "error", (code, outcome.reply))
        self.assertEqual(outcome.reply["ename"], name, outcome.reply)
        self.assertTrue(outcome.contents("error"))
        return outcome

    def test_gradients_of_variables_from_different_cells(self) -> None:
        self.ok("let a = Var::new(&[1f64, 2.0], &Device::Cpu)?;")
        self.ok("let b = Var::new(&[4f64, 5.0], &Device::Cpu)?;")
        self.assertNotEqual(self.ok("a.id()").result, self.ok("b.id()").result)
        self.ok("let loss = ((a.as_tensor() * 3.0)? + (b.as_tensor() * 5.0)?)?.sum_all()?;")
        self.ok("let gradients = loss.backward()?;")
        for name, expected in [("a", "[3.0, 3.0]"), ("b", "[5.0, 5.0]")]:
            found = self.ok(f"gradients.get(&{name}).unwrap().to_vec1::<f64>()?").result
            self.assertEqual(found, expected)

    def test_a_hundred_cells_share_one_candle(self) -> None:
        self.ok("let mut ids: Vec<compacter::candle_core::TensorId> = Vec::new();")
        for _ in range(100):
            self.ok("ids.push(Var::zeros(1, DType::F32, &Device::Cpu)?.id());")
        self.assertEqual(self.ok("ids.iter().collect::<std::collections::HashSet<_>>().len()").result, "100")

    def test_failures_are_told_and_variables_stay(self) -> None:
        self.ok("let kept = 7;")
        self.assertIn("on purpose", self.fails('panic!("on purpose")', "Panic").reply["evalue"])
        self.assertIn("invalid digit", self.fails('let n: i32 = "x".parse()?;', "Error").reply["evalue"])
        compiled = self.fails("let a: i32 = true;", "CompileError")
        self.assertTrue(any("\x1b[" in line for line in compiled.reply["traceback"]), "coloured")
        self.assertTrue(any("expected `i32`" in line for line in compiled.reply["traceback"]), compiled.reply)
        self.assertEqual(self.ok("kept").result, "7")

    def test_a_cell_that_ends_its_process_is_told_and_the_session_goes_on(self) -> None:
        for code, word in [("std::process::abort();", "SIGABRT"), ("unsafe { *(8 as *mut u8) = 1; }", "signal")]:
            self.ok("fn still() -> i32 { 7 }\nlet lost = 1;")
            died = self.fails(code, "Died")
            self.assertIn(word, died.reply["evalue"])
            self.assertIn("lost", died.reply["evalue"])
            self.assertEqual(self.ok("still()").result, "7")

    def test_text_without_a_newline_is_seen_at_once(self) -> None:
        outcome = self.ok('print!("half"); std::thread::sleep(std::time::Duration::from_secs(2)); println!(" done");')
        texts = [(at, m["content"]["text"]) for at, m in outcome.messages if m["msg_type"] == "stream"]
        idle = outcome.messages[-1][0]
        self.assertEqual("".join(text for _, text in texts), "half done\n")
        self.assertLess(texts[0][0], idle - 1.5)

    def test_displays_stand_where_they_were_made(self) -> None:
        outcome = self.ok(
            'println!("one"); display(&Table::numbers(&[vec![1.0]])); print!("two"); display(&Table::numbers(&[vec![2.0]])); println!("three"); 4'
        )
        kinds = [
            m["content"].get("text", m["msg_type"])
            for _, m in outcome.messages
            if m["msg_type"] in ("stream", "display_data", "execute_result")
        ]
        self.assertEqual(kinds, ["one\n", "display_data", "two", "display_data", "three\n", "execute_result"])

    def test_ten_megabytes_of_output(self) -> None:
        outcome = self.ok('for i in 0..100_000 { println!("{i:0>99}"); }')
        self.assertEqual(len(outcome.text()), 10_000_000)

    def test_a_cell_that_polls_is_interrupted_and_keeps_everything(self) -> None:
        self.ok("let mut count = 0_u64;")
        identity = self.session.send(
            "loop { count += 1; if interrupted() { break; } std::thread::sleep(std::time::Duration::from_millis(1)); }"
        )
        time.sleep(2)
        start = time.monotonic()
        self.session.interrupt()
        outcome = self.session.await_cell(identity)
        self.assertLess(time.monotonic() - start, 0.5)
        self.assertEqual(outcome.status, "ok")
        self.assertGreater(int(self.ok("count").result or 0), 100)
        # It was that cell that was interrupted, and no later one.
        self.assertEqual(self.ok("interrupted()").result, "false")

    def test_a_cell_that_does_not_poll_is_ended_with_its_process(self) -> None:
        self.ok("let gone = 1;")
        identity = self.session.send("loop { std::hint::spin_loop(); }")
        time.sleep(2)
        start = time.monotonic()
        self.session.interrupt()
        outcome = self.session.await_cell(identity)
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual(outcome.reply["ename"], "Interrupted")
        self.assertIn("gone", outcome.reply["evalue"])
        self.assertEqual(self.ok("1 + 1").result, "2")

    def test_an_interrupted_compilation_loses_nothing(self) -> None:
        self.ok("let kept = 5;")
        # The compiler counts to two thousand millions.
        identity = self.session.send(
            "#[allow(long_running_const_eval)]\nconst LONG: u64 = { let mut i = 0; while i < 2_000_000_000 { i += 1; } i };\nprintln!(\"{LONG}\");"
        )
        time.sleep(3)
        start = time.monotonic()
        self.session.interrupt()
        outcome = self.session.await_cell(identity)
        self.assertLess(time.monotonic() - start, 1)
        self.assertEqual(outcome.reply["ename"], "Interrupted", outcome.reply)
        self.assertIn("nothing is lost", outcome.reply["evalue"])
        self.assertEqual(self.ok("kept").result, "5")

    def test_a_cell_asks(self) -> None:
        for function, hidden in [("input", False), ("password", True)]:
            identity = self.session.send(f'print!("half"); let typed = {function}("Name: ")?; typed')
            self.assertEqual(self.session.answer("a b"), {"prompt": "Name: ", "password": hidden})
            outcome = self.session.await_cell(identity)
            self.assertEqual((outcome.text(), outcome.result), ("half", '"a b"'), outcome.messages)

    def test_a_question_without_an_answer_is_an_error(self) -> None:
        self.ok("let kept = 6;")
        outcome = self.session.run('input("Name: ")?;', allow_stdin=False)
        self.assertIn("nobody can be asked", outcome.reply["evalue"])
        identity = self.session.send('input("Name: ")?;')
        self.session.client.get_stdin_msg(timeout=60)
        self.session.interrupt()
        self.assertIn("every variable is as it was", self.session.await_cell(identity).reply["evalue"])
        self.assertEqual(self.ok("kept").result, "6")

    def test_updates_between_cells_go_to_the_cell_that_made_them(self) -> None:
        identity = self.session.send(
            "let handle = display(&Table::numbers(&[vec![0.0]]));\n"
            "std::thread::spawn(move || { for i in 0..60 { std::thread::sleep(std::time::Duration::from_millis(50));"
            " handle.update(&Table::numbers(&[vec![f64::from(i)]])); } });"
        )
        self.session.await_cell(identity)
        seen = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            try:
                message = self.session.client.get_iopub_msg(timeout=0.5)
            except Exception:  # noqa: BLE001 - the queue is empty
                continue
            if message["msg_type"] == "update_display_data":
                seen.append(message["parent_header"]["msg_id"])
        self.assertGreaterEqual(len(seen), 50)
        self.assertEqual(set(seen), {identity})

    def test_queued_cells_are_not_run_after_a_failure(self) -> None:
        first = self.session.send('std::thread::sleep(std::time::Duration::from_secs(1)); panic!("no")')
        second = self.session.send("let never = 1;")
        self.assertEqual(self.session.await_cell(first).status, "error")
        self.assertEqual(self.session.await_cell(second).status, "aborted")

    def test_magics(self) -> None:
        self.ok("let seen = 1;")
        self.assertIn("seen", self.ok("%vars").result or "")
        self.assertIn("ran ", self.ok("%%time\nlet timed = 1;").text())
        self.fails("%nothing", "Magic")

    def test_a_line_of_the_shell(self) -> None:
        here = str(Path.cwd())
        outcome = self.ok("!pwd; echo wrong >&2\n!printf half\n1 + 1")
        self.assertEqual((outcome.text(), outcome.text("stderr"), outcome.result), (f"{here}\nhalf", "wrong\n", "2"))
        self.assertIn("exit status: 3", self.fails("!exit 3", "Shell").reply["evalue"])
        identity = self.session.send("!echo begun; sleep 60")
        time.sleep(1)
        start = time.monotonic()
        self.session.interrupt()
        outcome = self.session.await_cell(identity)
        self.assertLess(time.monotonic() - start, 1)
        self.assertEqual((outcome.text(), outcome.reply["ename"]), ("begun\n", "Interrupted"))

    def test_a_static_is_told_of(self) -> None:
        outcome = self.ok("static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);")
        self.assertIn("begins anew in each cell", outcome.text("stderr"))

    def test_completion_offers_what_a_cell_can_use(self) -> None:
        self.ok("struct Mine { asked: i32 }\nlet mine = Mine { asked: 1 };")
        code = "fn f(run: Run) { run. }"
        self.session.client.complete(code, len("fn f(run: Run) { run."), reply=True, timeout=60)
        reply = self.session.client.complete(code, len("fn f(run: Run) { run."), reply=True, timeout=60)
        offered = set(reply["content"]["matches"])
        self.assertTrue({"pause", "losses", "factors"} <= offered, offered)
        self.assertFalse({"ask", "ask_until", "curves"} & offered, offered)
        reply = self.session.client.complete("mine.", reply=True, timeout=60)
        self.assertIn("asked", reply["content"]["matches"])

    def test_user_expressions(self) -> None:
        outcome = self.session.run("let x = 20;", user_expressions={"twice": "x * 2", "bad": "nothing"})
        values = outcome.reply["user_expressions"]
        self.assertEqual(values["twice"]["data"]["text/plain"], "40")
        self.assertEqual(values["bad"]["status"], "error")


if __name__ == "__main__":
    unittest.main(verbosity=2)
