#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn what the suites printed into JUnit and a table.

    results.py PLAN RAW OUT [ALLOWED]

PLAN holds one line for every suite that was to run: SUITE KERNEL FILE.
RAW/SUITE.KERNEL.FILE.txt holds what it printed: IGT's text, or lines
PASS|FAIL|SKIP NAME MESSAGE. OUT receives SUITE.xml. The rig has all that the tests
need, so a skipped one is a failure, unless ALLOWED (skips.allowed) has what it says
and why that is no failure. The exit code is 0 if all passed, 1 if something failed, 2 if a suite did not
run or its results could not be read or written.
"""
import fnmatch
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections import OrderedDict

LINE = re.compile(r"^(PASS|FAIL|SKIP) (\S+) ?(.*)$")
START = re.compile(r"^Starting (dynamic )?subtest: (\S+)")
END = re.compile(r"^(Dynamic s|S)ubtest (\S+): (\w+)(?: \((\d+\.\d+)s\))?")
ALLOWED = re.compile(r'^(\S+) (\S+) "([^"]+)" (\S.*)$')
IGT = {"SUCCESS": "PASS", "SKIP": "SKIP"}


class Run:
    """One suite on one kernel: its cases by name."""

    def __init__(self, suite, kernel, file):
        self.suite, self.kernel, self.file = suite, kernel, file
        self.policy = "none"
        self.cases = OrderedDict()
        self.program_of = {}

    def add(self, name, verdict, message="", seconds=0.0):
        # A test that was run again after a crash keeps its first failure.
        if self.cases.get(name, ("", "", 0))[0] != "FAIL":
            self.cases[name] = (verdict, message, seconds)

    def classname(self, name=None):
        """That of a subtest has its program's name in the last place."""
        file = self.program_of.get(name) or self.file.removesuffix("." + self.policy)
        return f"{self.kernel}.{self.policy}.{file}"

    def count(self, verdict):
        return sum(1 for case in self.cases.values() if case[0] == verdict)


class Program:
    """One IGT test program."""

    def __init__(self, name):
        self.name, self.subtests, self.exits, self.ended = name, 0, [], False


def judge_program(run, program):
    """A program without subtests is a test; one with them must agree with them."""
    exits = program.exits
    if not program.ended or not exits:
        run.add(program.name, "FAIL", "the test program did not end")
    elif not program.subtests:
        run.add(program.name, {0: "PASS", 77: "SKIP"}.get(exits[0], "FAIL"), f"exit code {exits[0]}")
    elif any(code not in (0, 77) for code in exits) and not run.count("FAIL"):
        run.add(program.name, "FAIL", f"exit codes {exits}, but no subtest failed")


def parse(run, lines):
    """Both kinds of lines may be mixed: a VM prints them around IGT's."""
    listed, recent, parent, programs = [], [], "", []
    for line in lines:
        words = line.split()
        if line.startswith("TTM-PFNMAP-PROGRAM ") and len(words) > 2:
            run.policy = words[-1]
            programs.append(Program(words[1]))
        elif line.startswith("TTM-PFNMAP-POLICY ") and len(words) > 1:
            run.policy = words[1]
        elif line.startswith("TTM-PFNMAP-LISTED ") and len(words) > 1:
            listed.append(words[1])
            programs[-1].subtests += 1
            run.program_of[words[1]] = programs[-1].name
        elif line.startswith("TTM-PFNMAP-EXIT ") and programs:
            programs[-1].exits.append(int(words[1]))
        elif line.startswith("TTM-PFNMAP-PROGRAM-END ") and programs:
            programs[-1].ended = True
        elif START.match(line):
            dynamic, name = START.match(line).groups()
            if not dynamic:
                parent = name
            recent = []
        elif END.match(line):
            dynamic, name, word, seconds = END.match(line).groups()
            if dynamic.startswith("D"):
                run.program_of[f"{parent}@{name}"] = run.program_of.get(parent)
                name = f"{parent}@{name}"
            verdict = IGT.get(word, "FAIL")
            # IGT says it twice.
            said = list(OrderedDict.fromkeys(text for text in recent if " CRITICAL: " in text)) or recent
            message = "" if verdict == "PASS" else " / ".join([word] + said[-6:])
            run.add(name, verdict, message, float(seconds or 0))
            recent = []
        elif LINE.match(line):
            verdict, name, message = LINE.match(line).groups()
            run.add(name, verdict, message)
        elif line.strip() and not line.startswith("TTM-PFNMAP-"):
            recent.append(line.strip())
    for name in listed:
        if name not in run.cases:
            run.add(name, "FAIL", "the subtest was listed and never reported a result")
    for program in programs:
        judge_program(run, program)
    if not run.cases:
        run.add("any-result", "FAIL", "the suite reported nothing at all")


def read_allowed(path):
    """Lines CLASSNAME NAME "MESSAGE" REASON; all but the last may hold shell wildcards."""
    allowed = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.split() or line.startswith("#"):
                continue
            words = ALLOWED.match(line)
            if not words:
                raise ValueError(f"{path}: a skip without a message or a reason: {line.strip()}")
            allowed.append(words.groups())
    return allowed


def judge_skips(run, allowed):
    for name, (verdict, message, seconds) in run.cases.items():
        if verdict != "SKIP":
            continue
        reasons = [reason.strip() for where, what, said, reason in allowed
                   if fnmatch.fnmatchcase(run.classname(), where) and fnmatch.fnmatchcase(name, what)
                   and fnmatch.fnmatchcase(message, said)]
        if reasons:
            run.cases[name] = (verdict, f"{message} (allowed: {reasons[0]})", seconds)
        else:
            run.cases[name] = ("FAIL", f"skipped, which skips.allowed does not allow: {message}", seconds)


def clean(text):
    return re.sub(r"[^\t\x20-\ud7ff]", "?", text)


def write_xml(path, suite, runs):
    root = ET.Element("testsuites")
    for run in runs:
        node = ET.SubElement(root, "testsuite", name=f"{suite} {run.classname()}",
                             tests=str(len(run.cases)), failures=str(run.count("FAIL")),
                             skipped=str(run.count("SKIP")))
        for name, (verdict, message, seconds) in run.cases.items():
            case = ET.SubElement(node, "testcase", classname=run.classname(name),
                                 name=name, time=f"{seconds:.3f}")
            if verdict != "PASS":
                tag = "failure" if verdict == "FAIL" else "skipped"
                ET.SubElement(case, tag, message=clean(message))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def show_table(runs):
    width = max([len(run.classname()) for run in runs] + [20])
    print(f"\n{'suite':<10} {'kernel.policy.file':<{width}} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for run in runs:
        print(f"{run.suite:<10} {run.classname():<{width}} {run.count('PASS'):>7} "
              f"{run.count('FAIL'):>7} {run.count('SKIP'):>8}")
    for verdict in ("SKIP", "FAIL"):
        for run in runs:
            for name, case in run.cases.items():
                if case[0] == verdict:
                    print(f"{verdict} {run.classname(name)} {name}: {case[1] or 'no reason given'}")


def main(plan, raw, out, allowed=os.path.join(os.path.dirname(__file__), "skips.allowed")):
    runs, missing = [], []
    allowed = read_allowed(allowed)
    with open(plan, encoding="utf-8") as planned:
        wanted = [line.split() for line in planned if line.strip()]
    for suite, kernel, file in wanted:
        path = os.path.join(raw, f"{suite}.{kernel}.{file}.txt")
        if not os.path.exists(path):
            missing.append(f"{suite} {kernel} {file}")
            continue
        run = Run(suite, kernel, file)
        with open(path, encoding="utf-8", errors="replace") as text:
            parse(run, text.read().splitlines())
        judge_skips(run, allowed)
        runs.append(run)
    for suite in OrderedDict.fromkeys(run.suite for run in runs):
        write_xml(os.path.join(out, f"{suite}.xml"), suite,
                  [run for run in runs if run.suite == suite])
    if runs:
        show_table(runs)
    total = {verdict: sum(run.count(verdict) for run in runs) for verdict in ("PASS", "FAIL", "SKIP")}
    if missing or not runs:
        print(f"not every suite ran, {total['FAIL']} failures so far; missing: {', '.join(missing) or 'all'}")
        return 2
    print(f"\n{total['PASS']} passed, {total['FAIL']} failed, {total['SKIP']} skipped")
    return 1 if total["FAIL"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:5]))
    except (OSError, ValueError) as error:
        print(f"results.py: error: {error}", file=sys.stderr)
        sys.exit(2)
