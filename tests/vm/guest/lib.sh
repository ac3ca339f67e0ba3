# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What guest scripts share. A suite speaks in lines: PASS|FAIL|SKIP NAME MESSAGE.

# load MODULE [PARAMETER...]: with whatever it depends on.
load() {
	modprobe "$@" || {
		echo "FAIL load-$1 modprobe $* failed"
		return 1
	}
}

# The policy of this boot, part of every result's name.
policy() {
	word=$(awk 'NF { print $NF; exit }' /sys/module/ttm/parameters/pfnmap_active 2>/dev/null)
	echo "${word:-stock}"
}

# announce TEXT[|TEXT...] / announce_end: what a stock twin makes the kernel print
# between the two may hold one of the texts; scan-log.sh fails the run for anything
# else.
announce() { echo "TTM-PFNMAP-ANNOUNCE begin $*" >/dev/kmsg; }
announce_end() { echo "TTM-PFNMAP-ANNOUNCE end" >/dev/kmsg; }

# hazard_modules POLICY: all that the hazard tests need.
hazard_modules() {
	wanted=$1
	load drm || exit 1
	load ttm pfnmap_policy="$wanted" || exit 1
	for module in drm_ttm_helper kvm kvm-amd slow_release kvm_hold; do
		load $module || exit 1
	done
	load vttm twin=1 || exit 1
}

# list_hazards PROGRAM
list_hazards() {
	program=$1
	echo "TTM-PFNMAP-PROGRAM $program $(policy)"
	[ "$(policy)" = "$wanted" ] || echo "FAIL policy-$wanted the policy is $(policy)"
	"/igt/$program" --list-subtests | sed 's/^/TTM-PFNMAP-LISTED /'
}

# hazards TEXT OPTION...: run some; naive makes the kernel print TEXT. What it has
# broken may also come to light between two of them: hazards_end ends it.
hazards() {
	[ "$wanted" != naive ] || announce "$1|Bad page state"
	shift
	{
		"/igt/$program" "$@"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | cat # IGT colours what it prints to a terminal
}

hazards_end_program() { echo "TTM-PFNMAP-PROGRAM-END $program"; }

hazards_end() {
	hazards_end_program
	for module in slow_release kvm_hold vttm drm_ttm_helper ttm; do
		rmmod $module && echo "PASS unload-$module" ||
			echo "FAIL unload-$module $module cannot be unloaded after the tests"
	done
	[ "$wanted" != naive ] || announce_end
}

# ---- IGT programs. results.py reads what is printed.

# run PROGRAM [ARGUMENT...]: its output goes on, and into /tmp/igt.log.
run() {
	{
		"$@"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | tee -a /tmp/igt.log
}

unreported() {
	while read -r subtest; do
		grep -q "^Subtest $subtest: " /tmp/igt.log || echo "$subtest"
	done </tmp/igt.list
}

# one_program NAME: of /igt, under this boot's policy.
one_program() {
	echo "TTM-PFNMAP-PROGRAM $1 $(policy)"
	: >/tmp/igt.log
	"/igt/$1" --list-subtests >/tmp/igt.list
	sed 's/^/TTM-PFNMAP-LISTED /' /tmp/igt.list
	run "/igt/$1"
	# A crash ends the program: the rest gets a process each.
	unreported >/tmp/igt.rest
	while read -r subtest; do
		echo "TTM-PFNMAP-AGAIN $subtest"
		run "/igt/$1" --run-subtest "$subtest" </dev/null
	done </tmp/igt.rest
	echo "TTM-PFNMAP-PROGRAM-END $1"
}

# gpu_disk: the disk of run-gpu-vm.sh. The initramfs has no /usr of its own.
gpu_disk() {
	for module in virtio_pci virtio_blk crc32c_generic ext4; do
		load $module || return
	done
	mkdir -p /mesa
	mount -t ext4 -o ro /dev/vda /mesa || return
	ln -s /mesa/usr /usr
	ln -s /mesa/etc /etc
}

# field NAME FILE: the last value of NAME=NUMBER there.
field() { sed -n "s/.*[ ^]*$1=\([-0-9]*\).*/\1/p" "$2" | tail -n 1; }
