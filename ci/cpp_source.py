"""C++ sources as ci/layers and ci/pure read them: which files there are, and their lines without comments."""

import os
import re

SKIPPED_FOLDERS = {".git", "build", "out", "node_modules", "__pycache__"}
SUFFIXES = (".hpp", ".cpp", ".h", ".cc")

# In this order at each place: a raw string, a string or character literal, a comment. A quote between digits is a
# separator, as in 65'535.
TOKEN = re.compile(
    r'R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r'|(?P<literal>"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\')'
    r"|(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)",
    re.DOTALL,
)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"(?P<ours>[^"]+)"|<(?P<angle>[^>]+)>)')


def files(root):
    """Paths of all C++ sources below `root`, relative to it, sorted."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith(SUFFIXES)]
    return sorted(found)


def lines(path, keep_literals):
    """(number, line) of a file, with comments blanked; string literals, too, unless `keep_literals`."""
    with open(path, encoding="utf-8") as file:
        text = file.read()

    def blank(match):
        if keep_literals and match.group("comment") is None:
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return enumerate(TOKEN.sub(blank, text).split("\n"), start=1)


def includes(path):
    """(number, name, is_angle) of each #include of a file."""
    for number, line in lines(path, keep_literals=True):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group("ours") or match.group("angle"), match.group("ours") is None
