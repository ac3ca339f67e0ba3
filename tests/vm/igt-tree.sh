#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# igt-tree.sh: may tests/igt/lib become part of an IGT tree's library? Not if it defines
# a function that is there: libigt would not link any more. Linked with the library, as
# igt.mk does, nobody would say so.

. "${0%/*}/lib.sh" || exit

# names_of OBJECT...: the functions and variables that others can use, one a line.
names_of() { "$VM_DIR/in-root.sh" nm --defined-only --extern-only --format=just-symbols "$@"; }

# taken: which of the names on stdin libigt has.
taken() { sort -u | comm -12 - "$libigt" | xargs; }

"$VM_DIR/build-igt.sh" >&2
libigt=$BUILD/igt-tree
names_of --dynamic --no-demangle /usr/lib/x86_64-linux-gnu/libigt.so | sed 's/@.*//' | sort -u >"$libigt"

if [ "$(printf '%s\n' vttm_open dmabuf_busy | taken)" = dmabuf_busy ]; then
	echo "PASS igt-tree-self-test the check finds a name that libigt has, and no other"
else
	die "the check does not find dmabuf_busy() in libigt"
fi
# shellcheck disable=SC2046 # one object a word
both=$(names_of $(cd "$BUILD" && printf '/build/%s\n' igt/obj/lib/*.o) | taken)
if [ -n "$both" ]; then
	echo "FAIL igt-tree-names tests/igt/lib and libigt have both: $both"
	exit 1
fi
echo "PASS igt-tree-names tests/igt/lib defines nothing that libigt has"
