# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# hazard.sh POLICY [SWAPOUTS]: the hazard tests under one policy: reserved, reuse (the
# same with pfnmap_reuse=Y), counted, or naive, which only the test build of ttm.ko has. The naive mark must
# break what the others must not; what the kernel says of it is announced.

asked=$1 swapouts=${2:-900}

hazard_modules "$1"
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control

# one SUBTEST TEXT: after it all pages are looked at. Under naive the books are not kept.
one() {
	hazards "$2" "--swapouts=$swapouts" --run-subtest "$1"
	[ "$asked" = naive ] || verify_check "$1"
}

list_hazards ttm_pfnmap_hazard
# The warning comes once a boot, so its test is the first to use KVM.
one i2-kvm-warns-of-count virt/kvm/kvm_main.c:
# This one shall not be blamed for the broken pages that the others leave under naive.
one i4-release-race-natural 'Bad page state'
for subtest in $(/igt/ttm_pfnmap_hazard --list-subtests | grep '^i4-' | grep -v '^i4-release-race-'); do
	one "$subtest" 'Bad page state'
done
# With many broken pages: these may bring naive's kernel down, so they are the last. The
# kernel reports 60 bad pages a minute, which those before may have used up. That with
# 20 ms must see its own. So shall each of many swapouts, for it would go on until all
# memory has leaked: a bad page takes its block of up to 4 MiB along.
for race in 20ms 2ms; do
	case "$1 $race ${2:+long}" in
	'naive 20ms '* | 'naive '*long) sleep 60 ;;
	esac
	one i4-release-race-$race 'Bad page state'
done
hazards_end
