# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# The VM boots, our modules load next to stock ones, and KVM works in it.

say_result() {
	name=$1
	shift
	if "$@"; then echo "PASS $name"; else echo "FAIL $name"; fi
}

say_result load-ttm load ttm
say_result load-drm_ttm_helper load drm_ttm_helper
say_result load-kvm load_kvm
say_result kvm-device test -c /dev/kvm
say_result unload-ttm modprobe -r drm_ttm_helper
