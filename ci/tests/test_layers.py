#!/usr/bin/env python3
"""ci/layers must fail on a planted violation, and only then."""

import unittest

import planted


class Layers(unittest.TestCase):
    def judge(self, files):
        with planted.Project() as project:
            project.write("ci/simulate_main.cpp", "")
            for name, text in files.items():
                project.write(name, text)
            return project.run("ci/layers")

    def test_what_the_table_allows_passes(self):
        code, output = self.judge({
            "broker/session/session.cpp": '#include "broker/wire/packets.hpp"\n#include <vector>\n',
            "broker/session/tests/session_tests.cpp": '#include "broker/session/session.hpp"\n#include <gtest/gtest.h>\n',
            "broker/broker.cpp": '#include "broker/router/router.hpp"\n',
            "broker/asio/driver.cpp": '#include "broker/broker.hpp"\n#include <boost/asio/ip/tcp.hpp>\n',
            "simulator/world.cpp": '#include "broker/broker.hpp"\n',
        })
        self.assertEqual(code, 0)
        self.assertIn("0 violations in 6 files", output)

    def violation(self, name, text, expected):
        code, output = self.judge({name: text})
        self.assertEqual(code, 1)
        self.assertIn(expected, output)

    def test_a_sibling_is_refused(self):
        self.violation("broker/session/session.cpp", '\n#include "broker/router/router.hpp"\n',
                       "broker/session/session.cpp:2: broker/session includes \"broker/router/router.hpp\" of broker/router;"
                       " it may include: broker/base broker/ports broker/wire")

    def test_the_core_knows_no_driver(self):
        self.violation("broker/broker.cpp", '#include "broker/asio/driver.hpp"\n', "broker/broker.cpp:1: ")

    def test_the_base_knows_nothing_of_ours(self):
        self.violation("broker/base/check.cpp", '#include "broker/wire/packets.hpp"\n', "it may include: nothing of ours")

    def test_the_simulator_knows_no_driver_of_the_real_world(self):
        self.violation("simulator/world.cpp", '#include "broker/asio/driver.hpp"\n', "simulator/world.cpp:1: ")

    def test_conformance_shares_no_codec(self):
        self.violation("conformance/case.cpp", '#include "broker/wire/packets.hpp"\n', "conformance/case.cpp:1: ")

    def test_a_test_may_not_do_more_than_its_folder(self):
        self.violation("broker/wire/tests/wire_tests.cpp", '#include "simulator/world.hpp"\n',
                       "broker/wire/tests/wire_tests.cpp:1: ")

    def test_angle_brackets_do_not_hide_a_part(self):
        self.violation("broker/wire/frame.cpp", "#include <broker/session/session.hpp>\n", "broker/wire/frame.cpp:1: ")

    def test_boost_asio_has_one_home(self):
        self.violation("simulator/world.cpp", "#include <boost/asio.hpp>\n", "only these may: broker/asio")

    def test_the_core_knows_no_protobuf(self):
        self.violation("broker/broker.cpp", "#include <google/protobuf/message.h>\n", "broker/broker.cpp:1: ")

    def test_a_path_not_from_the_root_is_refused(self):
        self.violation("broker/wire/frame.cpp", '#include "frame.hpp"\n', "no path from the project's root")

    def test_a_folder_without_a_line_is_refused(self):
        self.violation("gadgets/gadget.cpp", "", "belongs to no part of ci/layers.txt")

    def test_an_include_in_a_comment_is_none(self):
        code, _ = self.judge({"broker/base/check.cpp": '/*\n#include "broker/wire/packets.hpp"\n*/\n'})
        self.assertEqual(code, 0)

    def test_a_table_that_names_an_unknown_part_is_refused(self):
        code, output = self.judge({"ci/layers.txt": "broker/base : broker/bass\n"})
        self.assertEqual(code, 2)
        self.assertIn("'broker/base' names 'broker/bass'", output)


if __name__ == "__main__":
    unittest.main()
