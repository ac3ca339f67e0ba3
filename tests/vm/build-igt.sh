#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-igt.sh [FILE...]: compile the IGT test programs into build/igt and what else
# they need into build/tools, or these files of build/ alone.

. "${0%/*}/lib.sh" || exit

lock "$BUILD/igt/.lock"
need_layer base
input="$(layer_dir base) $(hash_of "$REPO/tests/igt" "$REPO/drivers/gpu/drm/ttm/tests" "$REPO/tests/kmod" "$VM_DIR/igt.mk")"
built=$(cat "$BUILD/igt/.built" 2>/dev/null) || true
[ "$built" != "$input" ] && [ "$built" != "$input${*:+ $*}" ] || exit 0
rm -f "$BUILD/igt/.built"
step build-igt "build ${*:-the IGT test programs}" \
	"$VM_DIR/in-root.sh" make -f /src/tests/vm/igt.mk "-j$(nproc)" "${@/#//build/}"
echo "$input${*:+ $*}" >"$BUILD/igt/.built"
