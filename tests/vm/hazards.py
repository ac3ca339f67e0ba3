#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print what the hazard suites found as tables for Documentation/.

    hazards.py PART RAW COMMIT SWAPOUTS ROUNDS KERNEL...

PART is hazards, blobs for those of virtio-gpu, or intel for the machines with an Intel
CPU. RAW/hazard.KERNEL.MACHINE.POLICY.txt is what a machine printed. A cell holds the
verdict and the last line that the test printed about itself: its operations and what
they did. RAW/blobs.KERNEL.MACHINE.MODE.txt has the driver's mode in place of the policy.
RAW/intel.KERNEL.intel.POLICY.txt is what a machine with an Intel CPU printed; what
differs there is in its table.
"""
import os
import re
import sys

POLICIES = {
    "hazards": ("naive", "reserved", "reuse", "counted"),
    "blobs": ("stock", "ttm_blobs"),
    "intel": ("naive", "reserved", "counted"),
}
# The suites whose machines are in a part's table.
SUITES = {"hazards": "hazard", "blobs": "blobs", "intel": "hazard|intel"}
START = re.compile(r"^Starting subtest: (\S+)")
END = re.compile(r"^Subtest (\S+): (\w+)")
DOWN = re.compile(r"^PASS naive-brings-the-kernel-down (.*)")
# Of the suite "intel".
INTEL = re.compile(r"^(mode-ept-|i4-nested-)")
# Under naive: not every test has to see something each time. Others than the races see
# more than bad pages, a stranger's memory for example.
UNSEEN = re.compile(r"^$")
UNSEEN_RACE = re.compile(r"\b0 bad pages|^$")
# About the tests themselves, or of stock TTM, which has no mark.
NO_HAZARD = re.compile(r"^(control|stock)-")
# Of the player's rounds, and what IGT says of a failure.
NOISE = re.compile(r"^(round \d|\(|Stack trace|  #|\d+ spurious|No log|child \d)")


def cells_of(path):
    """What one machine says: subtest -> (verdict, line)."""
    cells, line = {}, ""
    with open(path, encoding="utf-8", errors="replace") as text:
        for raw in text:
            raw = raw.rstrip()
            if START.match(raw):
                line = ""
            elif END.match(raw):
                name, verdict = END.match(raw).groups()
                cells[name] = (verdict, line)
            elif DOWN.match(raw):
                cells["*"] = ("SUCCESS", "brought the kernel down: " + DOWN.match(raw).group(1))
            elif raw and not NOISE.match(raw):
                line = raw
    return cells


def word(name, policy, verdict, line):
    if verdict != "SUCCESS":
        return verdict.lower()
    if policy == "stock":
        return "as expected"
    if policy != "naive":
        return "held"
    unseen = UNSEEN_RACE if "-race-" in name else UNSEEN
    return "nothing seen" if unseen.search(line) else "as expected"


def kernel_table(part, raw, kernel):
    # By machine and subtest: what brings the kernel down ends the tests of one machine.
    policies = POLICIES[part]
    columns = {policy: {} for policy in policies}
    for name in sorted(os.listdir(raw)):
        match = re.fullmatch(rf"({SUITES[part]})\.{re.escape(kernel)}\.(\w+)\.(\w+)\.txt", name)
        if not match or match.group(3) not in policies:
            continue
        machine = match.group(2)
        if (machine == "intel") != (part == "intel"):
            continue
        for subtest, cell in cells_of(os.path.join(raw, name)).items():
            if match.group(1) != "intel" or INTEL.match(subtest):
                columns[match.group(3)][machine, subtest] = cell
    rows = [row for row in sorted(set().union(*columns.values()), key=lambda row: row[::-1])
            if row[1] != "*" and not NO_HAZARD.match(row[1])]
    print(f"Linux {kernel}\n{'=' * (6 + len(kernel))}\n")
    print(".. list-table::\n   :header-rows: 1\n   :widths: 25" + " 25" * len(policies) + "\n")
    print("   * - hazard\n" + "\n".join(f"     - {policy}" for policy in policies))
    for machine, name in rows:
        print(f"   * - {name}")
        for policy in policies:
            cell = columns[policy].get((machine, name))
            if not cell and policy == "naive":
                cell = columns[policy].get((machine, "*"))
            print("     - " + (f"{word(name, policy, *cell)}. {cell[1]}".rstrip() if cell else "not tried"))
    print()


TITLE = {
    "hazards": "TTM: PFNMAP mode, hazards",
    "blobs": "virtio-gpu blobs on TTM, hazards",
    "intel": "TTM: PFNMAP mode, hazards on an Intel CPU",
}
TRIED = {
    "hazards": "with {} swapouts of the three\nrelease races together and {} rounds of the hostile mix.",
    "blobs": "with {1} rounds of the\nhostile mix, 20 at most with the stock driver.",
    "intel": "in Bochs: EPT, and a nested\nguest whose virtual-APIC page is in a BO.",
}
NAIVE = """\
Under the policy naive, the mark alone, a test ends when it has shown the defect; "nothing
seen" is of those that cannot be sure to (natural timing, 2 ms) or have nothing to show
(read-only). Under the others it must hold; "reuse" is reserved with pfnmap_reuse=Y. Each cell quotes the
line in which a test sums up what it did.
"""
EXPECTED = {
    "hazards": NAIVE,
    "blobs": """\
The stock driver's window must be full where that of ttm_blobs=1 is not; its data must be
right, too. Each cell quotes the line in which a test sums up what it did.
""",
    "intel": NAIVE,
}


def main(part, raw, commit, swapouts, rounds, *kernels):
    bar = "=" * (len(TITLE[part]) + 1)
    print(f".. SPDX-License-Identifier: GPL-2.0-only\n\n{bar}\n{TITLE[part]}\n{bar}\n")
    print(f"Written by ``make check-long`` from commit {commit}, {TRIED[part].format(swapouts, rounds)}\n"
          + EXPECTED[part])
    for kernel in kernels:
        kernel_table(part, raw, kernel)


if __name__ == "__main__":
    main(*sys.argv[1:])
