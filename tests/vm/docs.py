#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Complain about a document that does not parse, or names what is not there.

    docs.py FILE.rst...

Silent if all is well. Run in the repository. What a kernel-doc directive names must be
a file, each of its :functions: and each ``function()`` of ours must be defined in it or
somewhere in the sources. A ``mode-name``, ``stock-name`` or ``i4-name`` must be one of
IGT's subtests, with or without the device before the invariant; * stands for anything.
"""
import fnmatch
import pathlib
import re
import sys

from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives
from docutils.utils import SystemMessage

import documented

OURS = re.compile(r"``((?:__)?(?:ttm_pfnmap|virtio_gpu_(?:window|range|guest))_\w+)\(\)``")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for top in ("drivers", "include")
                    for path in pathlib.Path(top).rglob("*.[ch]"))
SUBTEST = re.compile(r"``((?:\*-i[1-8]|i[1-8]|mode|stock)-[\w*-]+)``")
SUBTESTS = set().union(*(documented.all_of(path.read_text(encoding="utf-8"))
                         for path in pathlib.Path("tests/igt").glob("*.c")))
SUBTESTS |= {re.sub(r"^(mode|stock)-", "", name) for name in SUBTESTS}
complaints = []


def need(path, name, text):
    if not re.search(rf"\b{name}\b", text):
        complaints.append(f"{path}: there is no {name}")


class KernelDoc(Directive):
    """The kernel's own: a file, and what of it."""
    required_arguments = 1
    option_spec = {name: directives.unchanged
                   for name in ("doc", "export", "functions", "identifiers", "internal")}

    def run(self):
        path = self.state.document["source"]
        file = pathlib.Path(self.arguments[0])
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if not text:
            complaints.append(f"{path}: there is no {file}")
        for option in ("functions", "identifiers"):
            for name in self.options.get(option, "").split():
                need(path, name, text)
        if "doc" in self.options and f"DOC: {self.options['doc']}" not in text:
            complaints.append(f"{path}: {file} has no DOC: {self.options['doc']}")
        return []


def check(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    publish_doctree(text, source_path=path, settings_overrides={"halt_level": 2, "report_level": 2, "syntax_highlight": "none"})
    for name in sorted(set(OURS.findall(text))):
        need(path, name, SOURCES)
    for name in sorted(set(SUBTEST.findall(text))):
        if not fnmatch.filter(SUBTESTS, name):
            complaints.append(f"{path}: no test has a subtest {name}")


def main(*paths):
    directives.register_directive("kernel-doc", KernelDoc)
    for path in paths:
        try:
            check(path)
        except SystemMessage as error:
            complaints.append(str(error))
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
