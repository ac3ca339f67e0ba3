#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Is code of the kernel's in ours?

    copied.py OURS... -- STOCK...
    copied.py --self-test

Prints each file of ours (*.c, *.h, *.cocci below these directories) that has RUN lines
after another which are one after another in a file of the kernel's, too: without their
indentation, and without lines that say little. In a semantic patch the kernel's lines
have a column before them that says what becomes of them.
"""
import pathlib
import re
import sys
import tempfile

RUN = 8
COLUMN = re.compile(r"^[-+ ]")
# Braces, "else", "break;", and what files of one kind begin with.
TRIVIAL = re.compile(r"\W*(\w{0,7}\W*)?|#include .*|.*SPDX-License-Identifier.*")


def runs_of(path):
    """Each RUN lines of a file, with the number of the first."""
    text = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".cocci":
        text = [COLUMN.sub("", line) for line in text]
    lines = [(n, line.strip()) for n, line in enumerate(text, 1) if not TRIVIAL.fullmatch(line)]
    for i in range(len(lines) - RUN + 1):
        yield lines[i][0], tuple(line for _, line in lines[i:i + RUN])


def files_in(places):
    return sorted(path for place in places for path in pathlib.Path(place).rglob("*")
                  if path.suffix in (".c", ".h", ".cocci"))


def copied(ours, stock):
    theirs = {run: f"{path}:{n}" for path in files_in(stock) for n, run in runs_of(path)}
    for place in stock:
        if not files_in([place]):
            raise ValueError(f"no code of the kernel's in {place}")
    for path in files_in(ours):
        found = [(n, theirs[run]) for n, run in runs_of(path) if run in theirs]
        if found:
            yield f"{path}:{found[0][0]}: {RUN} lines as in {found[0][1]}"


def self_test():
    with tempfile.TemporaryDirectory() as name:
        ours, stock = pathlib.Path(name, "ours"), pathlib.Path(name, "stock")
        code = [f"do_something(with_number, {n});" for n in range(2 * RUN)]

        def says(lines, to="a.c"):
            (ours / "a" / to).write_text("\n".join(lines), encoding="utf-8")
            said = list(copied([str(ours)], [str(stock)]))
            (ours / "a" / to).unlink()
            return said

        (ours / "a").mkdir(parents=True)
        stock.mkdir()
        (stock / "b.c").write_text("\n".join(code), encoding="utf-8")
        assert says(code[3:3 + RUN])
        assert says(["\t\t" + line + "\n\t}" for line in code[3:3 + RUN]])
        assert says(["-+ "[n % 3] + "\t" + line for n, line in enumerate(code[3:3 + RUN])], "a.cocci")
        assert not says(["+" + line for line in code[3:3 + RUN]], "b.c")
        assert not says(code[3:2 + RUN])
        assert not says(code[:RUN - 1] + code[RUN:2 * RUN - 1])
        (stock / "b.c").write_text("}\n" * 2 * RUN + code[0] + "\n" * RUN + "\n".join(code[:RUN]), encoding="utf-8")
        assert not says(["}"] * 2 * RUN)


if sys.argv[1:] == ["--self-test"]:
    self_test()
else:
    where = sys.argv.index("--")
    for line in copied(sys.argv[1:where], sys.argv[where + 1:]):
        print(line)
