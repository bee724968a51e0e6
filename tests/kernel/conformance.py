#!/usr/bin/env python3
"""The protocol, by Jupyter's own tests of kernels; an installed kernel is needed.

    compacter kernel install && python3 tests/kernel/conformance.py
"""

from __future__ import annotations

import unittest
from typing import Any

import jupyter_kernel_test as jkt

LONG = 90
# The first cell waits for evcxr and rust-analyzer, which start behind the sockets.
jkt.TIMEOUT = LONG


class Protocol(jkt.KernelTests):
    kernel_name = "compacter"
    language_name = "rust"
    file_extension = ".rs"

    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("an error");'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"a".repeat(3)', "result": '"aaa"'},
        {"code": "let a = [1, 2];\na.iter().sum::<i32>()", "result": "3"},
    ]
    code_generate_error = 'panic!("on purpose");'
    code_display_data = [{"code": "display(&Table::numbers(&[vec![1.0, 2.0]]));", "mime": "text/html"}]
    code_clear_output = "clear_output(false);"

    completion_samples = [
        {"text": "let text = String::new(); text.is_emp", "matches": {"is_empty"}},
        {"text": "std::collections::HashM", "matches": {"HashMap"}},
    ]
    code_inspect_sample = "Vec::<i32>::with_capacity"

    complete_code_samples = ["6 * 7", "let a = 5;", "fn f() -> i32 { 7 }\nf()", "%vars", ':dep rand = "0.9"']
    incomplete_code_samples = ["for i in 0..3 {", "let a =", 'let text = "no end', "fn f(", "/* no end"]
    invalid_code_samples = ["let = 5;", ")", "fn f( ]"]

    code_history_pattern = "6 ?*"
    supported_history_operations = ("tail", "range", "search")

    def execute_helper(self, code: str, timeout: float = LONG, **arguments: Any) -> Any:
        """As it is there, but for the time that the first cell may wait on a busy machine."""
        return super().execute_helper(code, timeout, **arguments)

    def test_pager(self) -> None:
        self.skipTest("the kernel has no pager: documentation is shown by the front end")


class Welcome(jkt.IopubWelcomeTests):
    kernel_name = "compacter"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
