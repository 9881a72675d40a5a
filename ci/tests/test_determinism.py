#!/usr/bin/env python3
"""ci/determinism must fail when builds, or two runs of one build, disagree."""

import os
import unittest

import planted

PRINTS = "#!/bin/sh\necho 'run done'\necho 'digest={}'\nexit {}\n"
# A build whose runs differ: its digest is the number of the run.
COUNTS = "#!/bin/sh\necho run >> \"$0.runs\"\nprintf 'digest=%016x\\n' $(wc -l < \"$0.runs\")\n"


class Determinism(unittest.TestCase):
    def judge(self, *programs, scenarios=("one", "two")):
        with planted.Project() as project:
            project.write("scenarios/README.md", "No scenario.\n")
            for name in scenarios:
                project.write(f"scenarios/{name}.textproto", "seed: 1\n")
            paths = []
            for number, text in enumerate(programs):
                project.write(f"build/{number}", text)
                os.chmod(project.path(f"build/{number}"), 0o755)
                paths.append(project.path(f"build/{number}"))
            return project.run("ci/determinism", *paths)

    def test_equal_digests_pass(self):
        code, output = self.judge(PRINTS.format("00c0ffee00c0ffee", 0), PRINTS.format("00c0ffee00c0ffee", 0))
        self.assertEqual(code, 0)
        self.assertIn("0 disagreements in 2 scenarios with 3 seeds each, run twice in 2 builds", output)

    def test_a_build_with_another_digest_is_found(self):
        code, output = self.judge(PRINTS.format("00c0ffee00c0ffee", 0), PRINTS.format("00c0ffee00c0ffef", 0))
        self.assertEqual(code, 1)
        self.assertIn("scenarios/one.textproto --seed 1", output)
        self.assertIn("digest 00c0ffee00c0ffef", output)

    def test_two_runs_of_one_build_that_differ_are_found(self):
        self.assertEqual(self.judge(COUNTS)[0], 1)

    def test_another_exit_code_is_found(self):
        self.assertEqual(self.judge(PRINTS.format("00c0ffee00c0ffee", 0), PRINTS.format("00c0ffee00c0ffee", 1))[0], 1)

    def test_a_run_without_a_digest_is_no_pass(self):
        code, output = self.judge("#!/bin/sh\necho crashed\nexit 3\n")
        self.assertEqual(code, 1)
        self.assertIn("exit 3, no digest printed: crashed", output)

    def test_no_scenario_is_no_pass(self):
        self.assertEqual(self.judge(PRINTS.format("00c0ffee00c0ffee", 0), scenarios=())[0], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
