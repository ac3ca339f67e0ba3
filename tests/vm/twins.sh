#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# twins.sh [PLAN]: a test that stock TTM passes proves nothing about the mode. So each IGT
# subtest mode-X has its stock-X beside it (or X-mode and X-stock), or says in its
# igt_describe() which subtest shows what is wrong without what it tests: "(twin:
# NAME)", or "(twin: policy naive)" if check.sh runs the program under that, too (PLAN says
# what is run, make check's on 6.12 by default), or "(twin: NAME under naive)" if
# that one is sure to, or "(twin: script NAME.sh)" of tests/vm/guest, or "(twin: within)"
# if it does so itself. Those that have none begin with what they are:
#   twin:        the one that another names
#   regression:  stock TTM passes it, too, and that has to stay so: so it is run there,
#                as stock-X beside mode-X, or check.sh runs the program with ttm_blobs=0
#   mode alone:  about the mode's own code, or what only the mode makes possible
#   new call:    stock TTM has nothing that could be called
#   control:     about the tests themselves, not about TTM
# One line PASS|FAIL PROGRAM for each program, and one of documented.py, which looks
# for each subtest in the test's documentation. The last says whether each invariant, I1
# to I8, has tests of its name that make check runs, and that are not stock's alone.
# The first lines are about the checks themselves.

. "${0%/*}/lib.sh" || exit

# What "--describe" prints on stdin; names of subtests that fall under nothing. An
# argument, not empty: the program is run on the stock driver as well; another: by a naive
# machine.
alone() {
	awk -v stock="${1:-}" -v naive="${2:-}" -v scripts=" $(cd "$VM_DIR/guest" && grep -lE '("PASS |^check )[a-z0-9-]*-stock-' -- *.sh | xargs) " '
	$1 == "SUB" { name = $2; text[name] = ""; next }
	NF && name != "" { text[name] = text[name] $0 " " }
	function other_device(name, from, to) { return sub(from, to, name) && name in text ? name : "" }
	function pair(name) {
		return other_device(name, "^mode-", "stock-") other_device(name, "^stock-", "mode-") \
			other_device(name, "-mode$", "-stock") other_device(name, "-stock$", "-mode")
	}
	function is(word, name) { return text[name] ~ "^ *" word ": ." }
	function is_twin(other) {
		if (sub(/ under naive$/, "", other))
			return naive != "" && other in text && text[other] ~ /\(twin: policy naive\)/
		if (sub(/^script /, "", other))
			return index(scripts, " " other " ")
		return other == "policy naive" && naive != "" || other == "within" || other in text
	}
	END {
		for (name in text) {
			other = pair(name)
			if (is("(twin|mode alone|new call|control)", name) ||
			    is("regression", name) && (other != "" || stock) ||
			    !is("regression", name) && other != "" && !is("regression", other))
				continue
			other = text[name]
			if (sub(/.*\(twin: /, "", other) && sub(/\).*/, "", other) && is_twin(other))
				continue
			print name
		}
	}' | sort
}

# run_on_stock PROGRAM: says so if it is.
run_on_stock() { grep -m 1 -oE "ttm_blobs=0\S*,$1\b" "$VM_DIR/check.sh" || true; }

# naive_programs PLAN: what the naive machines of it run.
naive_programs() {
	local kernel name script
	while read -r _ kernel name; do
		script=$(sed -n "s/.*naive_suite \"\$[a-z1]*\" $name \([a-z]*\.sh\).*/\1/p" "$VM_DIR/check.sh" | head -n 1)
		[ -n "$script" ] || die "check.sh does not say what the naive machine $kernel $name runs"
		sed -nE 's/^\s*(list_hazards|one_program) (\S+).*/\2/p' "$VM_DIR/guest/$script"
	done < <(grep -E '^hazard \S+ (.*\.)?naive$' "$1")
}

# run_by_naive PROGRAM: says so if it is.
run_by_naive() { grep -xF "$1" "$BUILD/twins.naive" || true; }

# verdict PROGRAM: its line, from what is on stdin.
verdict() {
	local text names
	text=$(cat)
	names=$(alone "$(run_on_stock "$1")" "$(run_by_naive "$1")" <<<"$text")
	if ! grep -q '^SUB ' <<<"$text"; then
		echo "FAIL $1 describes no subtest"
	elif [ -n "$names" ]; then
		echo "FAIL $1 neither a twin nor the word for what they are: $(xargs <<<"$names")"
	else
		echo "PASS $1"
	fi
}

# names of subtests on stdin; the invariants that have none.
without_test() {
	local names i
	names=$(grep -v '^stock-')
	for i in {1..8}; do
		grep -qE "(^|-)i$i-" <<<"$names" || echo "I$i"
	done
}

invariants() {
	local without
	without=$(without_test | xargs)
	if [ -n "$without" ]; then
		echo "FAIL invariants no test that make check runs has the name of: $without"
	else
		echo "PASS invariants I1 to I8 have tests each"
	fi
}

self_test() {
	local want
	printf '%s\n' {mode-,stock-}i1-a i2-b mode-i3-c c-i4-d stock-i5-e i6-f mode-i7 xi8-g |
		without_test | xargs | grep -qx 'I5 I7 I8' ||
		{ echo "FAIL invariants the check does not find what has no test" && exit 1; }
	echo "PASS invariants-self-test the check finds what has no test, and nothing else"
	want='a-lone-one mode-old-without-twin mode-without-twin mode-wrong-twin no-script not-under-naive old'
	alone '' naive <<-'END' | xargs | grep -qx "$want" || { echo "FAIL twins the check does not find: $want" && exit 1; }
		SUB a-lone-one file.c:1:
		  Something works.

		SUB mode-without-twin file.c:1:
		  Something works.

		SUB mode-wrong-twin file.c:1:
		  Something works (twin: none-of-these).

		SUB mode-x file.c:1:
		  Something works.

		SUB stock-x file.c:1:
		  Something works.

		SUB y-mode file.c:1:
		  Something works.

		SUB y-stock file.c:1:
		  Something works.

		SUB z file.c:1:
		  Something works (twin: mode-x).

		SUB hazard file.c:1:
		  Something works (twin: policy naive).

		SUB old file.c:1:
		  regression: something works.

		SUB mode-old-without-twin file.c:1:
		  regression: something works.

		SUB mode-old file.c:1:
		  regression: something works.

		SUB stock-old file.c:1:
		  regression: something works.

		SUB race file.c:1:
		  Something works (twin: hazard under naive).

		SUB not-under-naive file.c:1:
		  Something works (twin: z under naive).

		SUB scripted file.c:1:
		  Something works (twin: script violation.sh).

		SUB no-script file.c:1:
		  Something works (twin: script lib.sh).

		SUB new file.c:1:
		  mode alone: something works.
	END
	[ -z "$(printf 'SUB old file.c:1:\n  regression: something works.\n' | alone stock)" ] ||
		{ echo "FAIL twins the check does not know what is run on stock" && exit 1; }
	[ "$(printf 'SUB %s file.c:1:\n  Works (twin: %s).\n' a 'policy naive' b 'a under naive' c within | alone | xargs)" = 'a b' ] ||
		{ echo "FAIL twins the check does not know what no naive machine runs" && exit 1; }
	echo "PASS twins the check finds what has no twin and nothing else"
}

self_test
"$VM_DIR/in-root.sh" python3 /src/tests/vm/documented.py --self-test
"$VM_DIR/build-igt.sh" >&2
plan=${1:-}
if [ -z "$plan" ]; then
	plan=$BUILD/twins.plan
	"$VM_DIR/check.sh" --plan 6.12 >"$plan"
fi
naive_programs "$plan" | sort -u >"$BUILD/twins.naive"
# In one root tree, which takes its time to make.
said=$BUILD/twins.said
rm -rf "$said"
mkdir "$said"
# shellcheck disable=SC2016 # for the shell in there
"$VM_DIR/in-root.sh" sh -ec 'for program in /build/igt/ttm_* /build/igt/virtgpu_*; do
	name=${program##*/}
	"$program" --describe >"$1/$name.describe"
	"$program" --list-subtests >"$1/$name.list"
	python3 /src/tests/vm/documented.py "/src/tests/igt/$name.c" <"$1/$name.list" >"$1/$name.documented"
done' sh "/build/${said##*/}" </dev/null
{
	for program in "$BUILD"/igt/{ttm,virtgpu}_*; do
		name=${program##*/}
		verdict "$name" <"$said/$name.describe"
		[ -s "$said/$name.documented" ] || echo "FAIL documented-$name it was not looked for"
		cat "$said/$name.documented"
	done
	cat "$said"/*.list | invariants
} | tee "$BUILD/twins"
rm -rf "$said" "$BUILD/twins.naive" "$BUILD/twins.plan"
! grep -q '^FAIL ' "$BUILD/twins"
