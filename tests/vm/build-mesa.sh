#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-mesa.sh: compile the programs that use Mesa in a guest into build/mesa.

. "${0%/*}/lib.sh" || exit

lock "$BUILD/mesa/.lock"
"$VM_DIR/root.sh" gpu
IN_LAYER=gpu step build-mesa "build the programs that use Mesa" \
	"$VM_DIR/in-root.sh" make -f /src/tests/vm/mesa.mk
