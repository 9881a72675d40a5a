#!/usr/bin/env python3
"""ci/pure must fail on each kind of planted violation, in sources and in symbols, and only then."""

import os
import re
import subprocess
import unittest

import planted

# rule: lines that break it, each in a file of its own
SOURCE = {
    "clock": ["#include <ctime>", "#include <time.h>", "auto t = std::chrono::steady_clock::now();",
              "clock_gettime(CLOCK_REALTIME, &t);", "const char* built = __DATE__;"],
    "socket": ["#include <sys/socket.h>", "#include <boost/asio/ip/tcp.hpp>"],
    "file": ["#include <fstream>", "#include <cstdio>", "std::cout << 1;"],
    "thread": ["#include <thread>", "#include <atomic>", "thread_local int x;", "std::mutex m;"],
    "random": ["#include <random>", "std::mt19937_64 engine;", "std::uniform_int_distribution<int> d;",
               "std::shuffle(a, b, g);", "std::ranges::shuffle(a, g);", "int x = rand();"],
    "order": ["#include <unordered_map>", "#include <unordered_set>", "std::unordered_map<int, int> m;",
              "std::hash<int> h;", "std::map<const Session*, int> m;"],
    "environment": ['getenv("HOME");'],
    "exception": ["throw 1;", "try { f(); } catch (...) {}", "dynamic_cast<A&>(b);"],
    "floating": ["double x;", "auto x = 0.5;"],
    "outside": ["asm(\"rdtsc\");"],
}

# What no scan of words sees: names that a macro joins, and what inline functions of others need.
HIDDEN = r"""
#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#define JOIN(a, b) a##b
extern "C" {
long JOIN(ti, me)(long*);
int JOIN(sock, et)(int, int, int);
char* JOIN(get, env)(const char*);
double JOIN(po, w)(double, double);
int strange_function();
}
struct Base { virtual ~Base(); };
int clocks() { return static_cast<int>(JOIN(ti, me)(nullptr)); }
int sockets() { return JOIN(sock, et)(1, 2, 3); }
void files() { std::cout << 1; }
void threads() { std::thread{[] {}}.detach(); }
unsigned randoms() { return std::random_device{}(); }
std::size_t orders(const std::unordered_map<std::string, int>& map) { return map.count("x"); }
char* environments() { return JOIN(get, env)("x"); }
void exceptions() { JOIN(thr, ow) 1; }
double floatings(double x) { return JOIN(po, w)(x, x); }
int outsides() { return strange_function(); }
"""


def compiled(project, name, text):
    """Compiles a file outside the scanned sources, as if it came from `name`; returns the object file."""
    folder, base = os.path.split(name)
    target = project.path(f"build/dev/{folder}/CMakeFiles/touchstone_planted.dir/{base}.o")
    os.makedirs(os.path.dirname(target))
    project.write("build/hidden.cpp", text)
    subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O0", "-c", project.path("build/hidden.cpp"), "-o", target],
                   check=True, timeout=120)
    project.write("build/dev/touchstone_objects.txt", target + "\n")


class Pure(unittest.TestCase):
    def judge(self, files, hidden="int pure() { return 1; }", compiled_from="broker/session/hidden.cpp"):
        with planted.Project() as project:
            write_exempted(project)
            project.write("broker/base/instant.hpp", "// Reads no std::chrono::steady_clock.\n"
                          "#include <chrono>\nconstexpr const char* text = \"thread_local throw\";\n")
            for name, text in files.items():
                project.write(name, text)
            compiled(project, compiled_from, hidden)
            return project.run("ci/pure")

    def test_a_pure_core_passes_whatever_comments_and_literals_say(self):
        code, output = self.judge({})
        self.assertEqual(code, 0)
        self.assertIn("ci/pure: 0 violations", output)

    def test_each_rule_is_seen_in_sources(self):
        planted_files = {f"broker/session/{rule}_{index}.cpp": f"\n{line}\n"
                         for rule, lines in SOURCE.items() for index, line in enumerate(lines)}
        code, output = self.judge(planted_files)
        self.assertEqual(code, 1)
        for name in planted_files:
            rule = re.search(r"/(\w+)_\d", name).group(1)
            self.assertIn(f"{name}:2: {rule}: ", output)

    def test_a_loop_over_a_hash_table_is_seen_in_every_file_of_its_folder(self):
        header = "boost::unordered_flat_map<std::string,\n    std::vector<int>> table_;\nstd::map<int, int> tree_;\n"
        loops = "for (auto& [key, value] : tree_) f(key);\nfor (const auto& entry : table_) f(entry);\nauto i = table_.begin();\n"
        _, output = self.judge({"broker/router/router.hpp": header, "broker/router/router.cpp": loops,
                                "broker/session/session.cpp": loops})
        self.assertIn("broker/router/router.cpp:2: walk: the order of table_ is that of a hash", output)
        self.assertIn("broker/router/router.cpp:3: walk: ", output)
        self.assertEqual(output.count(": walk: "), 2)

    def test_each_rule_is_seen_in_symbols(self):
        code, output = self.judge({}, hidden=HIDDEN)
        self.assertEqual(code, 1)
        for rule in SOURCE:
            self.assertIn(f"broker/session/hidden.cpp: {rule}: needs the symbol ", output)

    def test_every_rule_of_the_table_is_planted_here(self):
        with open(os.path.join(planted.ROOT, "ci", "pure.txt"), encoding="utf-8") as file:
            rules = {line.split()[1] for line in file if re.match("(header|word|symbol) ", line)}
        self.assertEqual(rules, set(SOURCE))

    def test_the_simulator_may_throw_but_reads_no_clock(self):
        code, output = self.judge({"simulator/world.cpp": "void f() { throw 0.5; }\n"})
        self.assertEqual(code, 0)
        code, output = self.judge({"simulator/world.cpp": "auto t = std::chrono::steady_clock::now();\n"})
        self.assertEqual(code, 1)
        self.assertIn("simulator/world.cpp:1: clock: ", output)

    def test_an_exemption_holds_for_its_file_and_rule_only(self):
        used = "#include <cstdio>\nasm(\"rdtsc\");\n"
        code, _ = self.judge({"broker/base/check.cpp": used})
        self.assertEqual(code, 0)
        code, output = self.judge({"broker/base/check.cpp": used + "#include <thread>\n"})
        self.assertEqual(code, 1)
        self.assertIn("broker/base/check.cpp:3: thread: ", output)

    def test_an_exemption_that_nothing_needs_is_told(self):
        code, output = self.judge({"broker/base/check.cpp": "#include <cstdio>\n"})
        self.assertEqual(code, 1)
        self.assertIn("ci/pure.txt: broker/base/check.cpp is exempt from outside, and needs it no more", output)

    def test_an_object_file_that_is_not_built_is_no_pass(self):
        with planted.Project() as project:
            write_exempted(project)
            project.write("build/dev/touchstone_objects.txt",
                          project.path("build/dev/broker/base/CMakeFiles/touchstone_base.dir/check.cpp.o") + "\n")
            code, output = project.run("ci/pure")
        self.assertEqual(code, 2)
        self.assertIn("is not built", output)


def write_exempted(project):
    """The exempted files, each with a line that needs the exemption."""
    with open(project.path("ci/pure.txt"), encoding="utf-8") as file:
        lines = [line.partition(":")[0].split()[1:] for line in file if line.startswith("exempt ")]
    for name, *rules in lines:
        project.write(name, "".join(SOURCE[rule][0] + "\n" for rule in rules))


if __name__ == "__main__":
    unittest.main()
