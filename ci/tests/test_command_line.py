#!/usr/bin/env python3
"""The executable from outside: the table of subcommands, and one clear line for each kind of bad input.

Environment: TOUCHSTONE, the path of the executable.
"""

import os
import socket
import subprocess
import tempfile
import unittest

SUBCOMMANDS = ("broker", "ctl", "conform", "simulate", "plan", "report")
USAGE_ERROR, TARGET_UNREACHABLE = 2, 3


def run(*arguments):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([os.environ["TOUCHSTONE"], *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class CommandLine(unittest.TestCase):
    def one_line(self, error, *contents):
        self.assertEqual(error.count("\n"), 1, f"one line expected:\n{error}")
        for content in contents:
            self.assertIn(content, error)

    def test_help_lists_all_subcommands(self):
        code, output, error = run("--help")
        self.assertEqual((code, error), (0, ""))
        for name in SUBCOMMANDS:
            self.assertIn(f"\n  {name} ", output)

    def test_each_subcommand_has_help_with_an_example(self):
        for name in SUBCOMMANDS:
            code, output, _ = run(name, "--help")
            self.assertEqual(code, 0, name)
            self.assertIn(f"touchstone {name} ", output)

    def test_version_is_one_line(self):
        code, output, _ = run("--version")
        self.assertEqual(code, 0)
        self.assertRegex(output, r"^touchstone \d+\.\d+\.\d+\n$")

    def test_no_subcommand_is_a_usage_error(self):
        code, output, error = run()
        self.assertEqual((code, output), (USAGE_ERROR, ""))
        self.one_line(error, "--help")

    def test_an_unknown_subcommand_gets_the_nearest_name(self):
        for typed, meant in ("simulat", "simulate"), ("brokr", "broker"), ("confrom", "conform"), ("reports", "report"):
            code, output, error = run(typed)
            self.assertEqual((code, output), (USAGE_ERROR, ""))
            self.one_line(error, f"'{typed}'", f"'{meant}'")

    def test_an_unknown_option_is_a_usage_error(self):
        self.assertEqual(run("--verison")[0], USAGE_ERROR)
        for name in SUBCOMMANDS:
            code, _, error = run(name, "--no-such-option", *(["."] if name == "report" else []))  # needs a folder first
            self.assertEqual(code, USAGE_ERROR, name)
            self.one_line(error, "--no-such-option")

    def test_a_port_in_use_is_a_usage_error_that_names_it(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            code, _, error = run("broker", "--listen", f"127.0.0.1:{port}")
        self.assertEqual(code, USAGE_ERROR)
        self.one_line(error, port)

    def test_a_target_that_refuses_is_unreachable(self):
        with socket.socket() as unused, tempfile.TemporaryDirectory() as folder:
            unused.bind(("127.0.0.1", 0))  # Bound but not listening: connections are refused.
            port = str(unused.getsockname()[1])
            code, _, error = run("conform", "--target", f"mqtt://127.0.0.1:{port}", "--out", folder)
        self.assertEqual(code, TARGET_UNREACHABLE)
        self.one_line(error, port)

    def test_a_missing_scenario_is_a_usage_error_that_names_it(self):
        code, _, error = run("simulate", "scenarios/no_such.textproto")
        self.assertEqual(code, USAGE_ERROR)
        self.one_line(error, "scenarios/no_such.textproto")

    def test_a_scenario_with_an_unknown_field_names_line_and_field(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "wrong.textproto")
            with open(path, "w", encoding="utf-8") as file:
                file.write("# A scenario.\nseed: 1\nsede: 2\n")
            code, _, error = run("simulate", path, "--out", os.path.join(folder, "out"))
        self.assertEqual(code, USAGE_ERROR)
        self.one_line(error, f"{path}:3", "sede")

    def test_a_result_folder_that_does_not_exist_is_a_usage_error(self):
        with tempfile.TemporaryDirectory() as folder:
            missing = os.path.join(folder, "missing")
            code, _, error = run("report", "--out", os.path.join(folder, "report.html"), missing)
        self.assertEqual(code, USAGE_ERROR)
        self.one_line(error, missing)


if __name__ == "__main__":
    unittest.main(verbosity=2)
