#!/usr/bin/env python3
"""ci/mutants must fail on a mutant that survives, on a case without one, and on a table that is out of date."""

import json
import os
import unittest

import planted

CASES = ["case\tv5/MQTT-1.1.1-1\tv5/MQTT-1.1.1-1\tthe one", "case\tv5/MQTT-1.1.1-2:word\tv5/MQTT-1.1.1-2\tthe other"]
# Those that only note a choice are expected to be there.
CHOICES = ["v3.1.1/X3-04", "v5/X5-13", "v5/X5-52", "v5/X5-68", "v5/X5-73", "v5/X5-87"]
KILLED = ["mutant\tfirst\tbreaks the one", "named\tfirst\tv5/MQTT-1.1.1-1\tv5/MQTT-1.1.1-1\tfail\tseen",
          "mutant\tsecond\tbreaks the other",
          "named\tsecond\tv5/MQTT-1.1.1-2:word\tv5/MQTT-1.1.1-2:word\tnon-strict\tseen", "caught\tsecond\tv5/X5-13\tfail"]


class Mutants(unittest.TestCase):
    def judge(self, lines, *options, write=True):
        """Exit code and output of ci/mutants on a program that prints `lines`, and what its JSON says."""
        with planted.Project() as project:
            cases = CASES + [f"case\t{case}\t{case}\ta choice" for case in CHOICES]
            project.write("cases", "\n".join(cases) + "\n")
            project.write("judge", "\n".join(lines) + "\n")
            project.write("program", f'#!/bin/sh\nexec cat "{project.path("")}$1"\n')
            os.chmod(project.path("program"), 0o755)
            common = ["--jobs", "1", "--table", project.path("table.md"), "--json", project.path("found.json")]
            if write:
                project.run("ci/mutants", *common, "--write", project.path("program"))
            code, output = project.run("ci/mutants", *common, *options, project.path("program"))
            if not os.path.exists(project.path("found.json")):
                return code, output, None
            with open(project.path("found.json"), encoding="utf-8") as file:
                return code, output, json.load(file)

    def test_all_killed_and_all_seen_failing_passes(self):
        code, output, found = self.judge(KILLED)
        self.assertEqual(code, 0)
        self.assertEqual(output.splitlines(), [
            "statements: 2 broken by a mutant of 8 that have a case; 6 are choices",
            "cases: 2 seen failing of 8; 6 only note a choice",
            "mutants: 2 killed of 2"])
        self.assertEqual([mutant["name"] for mutant in found["mutants"]], ["first", "second"])
        self.assertEqual(found["mutants"][1]["also_noticed_by"], {"v5/X5-13": "fail"})

    def test_a_survivor_is_listed(self):
        code, output, _ = self.judge(KILLED + ["mutant\tthird\thides well", "survived\tthird\tv5/MQTT-1.1.1-1"])
        self.assertEqual(code, 1)
        self.assertIn("survivor: third: hides well; unnoticed: v5/MQTT-1.1.1-1", output)
        self.assertTrue(output.endswith("mutants: 2 killed of 3\n"))

    def test_a_mutant_that_names_nothing_survives(self):
        code, output, _ = self.judge(KILLED + ["mutant\tthird\tis anything", "caught\tthird\tv5/MQTT-1.1.1-1\tfail"])
        self.assertEqual(code, 1)
        self.assertIn("survivor: third", output)

    def test_a_case_that_no_mutant_of_its_own_fails_is_listed(self):
        lines = KILLED[:2] + ["caught\tfirst\tv5/MQTT-1.1.1-2:word\tfail"]
        code, output, _ = self.judge(lines)
        self.assertEqual(code, 1)
        self.assertIn("never seen failing: v5/MQTT-1.1.1-2:word: the other", output)
        self.assertIn("v5/MQTT-1.1.1-2 has a case, and no mutant breaks it", output)

    def test_a_choice_that_a_mutant_breaks_is_none(self):
        lines = KILLED + ["mutant\tthird\tbreaks a choice", "named\tthird\tv5/X5-13\tv5/X5-13\tfail\tseen"]
        code, output, _ = self.judge(lines)
        self.assertEqual(code, 1)
        self.assertIn("v5/X5-13 is no case that only notes a choice", output)

    def test_a_table_that_is_out_of_date_fails(self):
        code, output, _ = self.judge(KILLED, write=False)
        self.assertEqual(code, 1)
        self.assertIn("out of date", output)

    def test_a_program_that_fails_or_says_something_else_is_an_error(self):
        code, output, _ = self.judge(["what\tis\tthis"], write=False)
        self.assertEqual(code, 2)
        self.assertIn("begins with 'what'", output)


if __name__ == "__main__":
    unittest.main()
