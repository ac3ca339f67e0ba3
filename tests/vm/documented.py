#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Is each subtest of an IGT test in the test's documentation, and nothing else?

    documented.py FILE.c     the names of subtests on stdin, one a line
    documented.py --self-test

IGT takes test plans from comments that begin with two stars: "SUBTEST: a-%s-%s",
and in the same comment "arg[1]:" and "arg[2]:", each with lines "@value: text". One
line PASS|FAIL documented-FILE.
"""
import itertools
import pathlib
import re
import sys

COMMENT = re.compile(r"^/\*\*\n(.*?)^ \*/", re.M | re.S)
SUBTEST = re.compile(r"^ \* SUBTEST: (\S+)$")
ARGUMENT = re.compile(r"^ \* arg\[(\d+)\]:$")
VALUE = re.compile(r"^ \* @(\S+):")


def names_of(comment):
    """The names of the subtests that one comment describes."""
    subtests, values, argument = [], {}, None
    for line in comment.splitlines():
        if SUBTEST.match(line):
            subtests.append(SUBTEST.match(line).group(1))
        elif ARGUMENT.match(line):
            argument = values.setdefault(int(ARGUMENT.match(line).group(1)), [])
        elif VALUE.match(line) and argument is not None:
            argument.append(VALUE.match(line).group(1))
    for subtest in subtests:
        lists = [values.get(n + 1, []) for n in range(subtest.count("%s"))]
        for words in itertools.product(*lists):
            yield subtest.replace("%s", "{}").format(*words)


def all_of(text):
    """The names of all the subtests that a test's text describes."""
    return set(itertools.chain.from_iterable(map(names_of, COMMENT.findall(text))))


def verdict(name, text, subtests):
    described = all_of(text)
    wrong = [f"not described: {' '.join(sorted(subtests - described)[:5])}"] if subtests - described else []
    if described - subtests:
        wrong.append(f"no subtest: {' '.join(sorted(described - subtests)[:5])}")
    if not subtests:
        wrong.append("it has no subtest")
    return f"FAIL documented-{name} {'; '.join(wrong)}" if wrong else f"PASS documented-{name}"


def self_test():
    text = "/**\n * TEST: x\n *\n * SUBTEST: a-%s\n *\n * arg[1]:\n * @b: B\n * @c: C\n */\n"
    assert verdict("x", text, {"a-b", "a-c"}) == "PASS documented-x"
    assert "not described: a-d" in verdict("x", text, {"a-b", "a-c", "a-d"})
    assert "no subtest: a-c" in verdict("x", text, {"a-b"})
    print("PASS documented the check finds what is not described, and what is no subtest")


def main(argument):
    if argument == "--self-test":
        self_test()
        return
    path = pathlib.Path(argument)
    print(verdict(path.stem, path.read_text(encoding="utf-8"), set(sys.stdin.read().split())))


if __name__ == "__main__":
    main(*sys.argv[1:])
