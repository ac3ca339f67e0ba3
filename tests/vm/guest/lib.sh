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

# load_kvm: the one of this CPU. Bochs wants more of the posted interrupts of
# "apicv" than KVM does, which is the architecture's.
load_kvm() {
	if grep -qw vmx /proc/cpuinfo; then
		load kvm-intel enable_apicv=0 || return
	else
		load kvm-amd || return
	fi
	keep_a_vm
}

# keep_a_vm: for as long as this machine runs; the reason is in kvm_keep.c.
keep_a_vm() {
	/files/kvm_keep >/tmp/kept 2>&1 &
	n=0
	while ! grep -q kept /tmp/kept && [ $n -lt 600 ]; do
		n=$((n + 1))
		usleep 100000
	done
	grep -q kept /tmp/kept || {
		echo "FAIL keep-a-vm there is no VM: $(tail -n 1 /tmp/kept)"
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

# verify_baseline / verify_check NAME: after programs all pages are compared with the
# mode's books; first, before ttm.ko is loaded, what is reserved anyway.
verify_baseline() {
	/files/verify_pages baseline /tmp/reserved ||
		echo "FAIL verify-pages the image was made without FILES=tools/verify_pages"
}

verify_check() {
	/files/verify_pages check /tmp/reserved "verify-pages-$1" || echo "FAIL verify-pages-$1 exit $?"
}

# owned: how many pages that ttm.ko allocated, or swapped out to, are in use, by page_owner's
# traces; not those that a slab or the direct map's page tables got meanwhile (a large page of
# it is split where one of a BO is not cached). A read gives one trace, or -ENOMEM where it
# does not fit. ttm.ko is to be loaded, for the names of its functions.
owned() {
	rm -f /tmp/owned
	dd if=/sys/kernel/debug/page_owner bs=4096 2>/dev/null |
		awk -v RS= '/ttm_(pool_alloc|tt_swapout)/ && !/_slab|change_page_attr/ {
			split($5, order, ",")
			for (p = 1; order[1]-- > 0;)
				p *= 2
			n += p
			print >"/tmp/owned"
		}
		END { print NR ? n + 0 : "page_owner cannot be read" }'
}

# nothing_owned: on a debug kernel (with page_owner=on), when the devices are gone: TTM's pool
# went with the last of them. debug-faults.sh shows that a BO would be seen.
nothing_owned() {
	case "$(uname -r)" in
	*-debug) ;;
	*) return 0 ;;
	esac
	for pause in 0 1 3; do
		sleep $pause
		n=$(owned)
		[ "$n" != 0 ] || break
	done
	if [ "$n" = 0 ]; then
		echo "PASS page-owner-no-page-lost"
	else
		echo "FAIL page-owner-no-page-lost $n"
		head -n 60 /tmp/owned
	fi
}

# hazard_modules POLICY: all that the hazard tests need. "reuse" is reserved with reuse.
hazard_modules() {
	wanted=$1
	reuse=
	if [ "$wanted" = reuse ]; then
		wanted=reserved
		reuse=pfnmap_reuse=Y
	fi
	load drm || exit 1
	[ "$wanted" = naive ] || verify_baseline
	load ttm pfnmap_policy="$wanted" $reuse || exit 1
	load drm_ttm_helper && load_kvm || exit 1
	for module in slow_release kvm_hold; do
		load $module || exit 1
	done
	load vttm twin=1 || exit 1
}

# list_hazards PROGRAM
list_hazards() {
	program=$1
	variant=$(policy)
	[ -z "${reuse:-}" ] || variant=reuse
	echo "TTM-PFNMAP-PROGRAM $program $variant"
	[ "$(policy)" = "$wanted" ] || echo "FAIL policy-$wanted the policy is $(policy)"
	"/igt/$program" --list-subtests | sed 's/^/TTM-PFNMAP-LISTED /'
}

# hazards TEXT OPTION...: run some; naive makes the kernel print TEXT. What it has
# broken may also come to light between two of them, or in the next BO: hazards_end
# ends it.
hazards() {
	[ "$wanted" != naive ] || announce "$1|Bad page state|not as the TTM pool hands them out"
	shift
	{
		"/igt/$program" "$@"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | cat # IGT colours what it prints to a terminal
}

# Under naive the books are not kept.
hazards_end_program() {
	echo "TTM-PFNMAP-PROGRAM-END $program"
	[ "$wanted" = naive ] || verify_check "$program"
	[ -z "$reuse" ] || pages_reused
}

pages_reused() {
	n=$(awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "pages_reused") col = i }
		$1 == "total" { print $col }' /sys/kernel/debug/ttm_pfnmap)
	[ "$n" -gt 0 ] && echo "PASS pages-are-reused $n of them" || echo "FAIL pages-are-reused not one"
}

hazards_end() {
	hazards_end_program
	for module in slow_release kvm_hold vttm drm_ttm_helper ttm; do
		rmmod $module && echo "PASS unload-$module" ||
			echo "FAIL unload-$module $module cannot be unloaded after the tests"
		case "$wanted $module" in
		naive*) ;;
		*vttm) nothing_owned ;;
		esac
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

# one_program NAME [SUBTESTS]: of /igt, under this boot's policy; all of its subtests
# or those that a regular expression describes. With $program_options, if there are any.
# With $after_each they get a process each, and it is called with the name of each.
one_program() {
	echo "TTM-PFNMAP-PROGRAM $1 $(policy)"
	: >/tmp/igt.log
	"/igt/$1" --list-subtests | grep -xE "${2:-.*}" >/tmp/igt.list
	sed 's/^/TTM-PFNMAP-LISTED /' /tmp/igt.list
	# shellcheck disable=SC2086 # one option a word
	[ -n "${after_each:-}" ] || run "/igt/$1" ${program_options:-} ${2:+--run-subtest "$(tr '\n' , </tmp/igt.list)"}
	# A crash ends the program: the rest gets a process each.
	unreported >/tmp/igt.rest
	while read -r subtest; do
		echo "TTM-PFNMAP-AGAIN $subtest"
		# shellcheck disable=SC2086 # one option a word
		run "/igt/$1" ${program_options:-} --run-subtest "$subtest" </dev/null
		${after_each:-:} "$subtest"
	done </tmp/igt.rest
	echo "TTM-PFNMAP-PROGRAM-END $1"
}

# vttm_modules WANTED [PARAMETER...]: vttm with a twin that never opted in, on a
# ttm.ko with these parameters, and KVM; WANTED is the policy that comes of it.
vttm_modules() {
	wanted=$1
	shift
	load drm || exit 1
	verify_baseline
	load ttm "$@" && load drm_ttm_helper && load_kvm && load vttm twin=1 || exit 1
	# Without it the tests would skip, or test the other policy, and look harmless.
	if [ "$(policy)" != "$wanted" ]; then
		echo "FAIL opted-in the policy is $(policy), not $wanted: $(dmesg | grep pfnmap | tail -n 1)"
	else
		echo "PASS opted-in"
	fi
}

# checked_program NAME [SUBTESTS]: the same, and what it has left of marked pages.
checked_program() {
	one_program "$@"
	verify_check "$1"
}

# faults_program POLICY: the allocations of each operation fail.
faults_program() {
	case "$1" in
	# This policy reuses no pages.
	counted) set -- 'i6-(exposure-.*|fail-(touch|touch-again|populate|move|swapout|free|fork|create|share|.*-init))' ;;
	*) set -- '' ;;
	esac
	checked_program ttm_pfnmap_faults "$1"
}

unload_vttm() {
	rmmod vttm && echo "PASS unload-vttm" || echo "FAIL unload-vttm vttm cannot be unloaded after the tests"
	nothing_owned
	modprobe -r drm_ttm_helper ttm && echo "PASS unload-ttm" || echo "FAIL unload-ttm ttm cannot be unloaded after the tests"
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

# gpu_used: of the window, in bytes, in either mode.
gpu_used() {
	{
		awk '$1 == "used" { print $2 }' /sys/kernel/debug/dri/0/virtio-gpu-window 2>/dev/null
		sed -n 's/^total: .* used \([0-9]*\) .*/\1/p' /sys/kernel/debug/dri/0/virtio-gpu-host-visible-mm
	} | awk '{ n += $1 } END { print n + 0 }'
}

# hung_tasks MODE: with TTM whoever waits for the host can be killed, or knows a bound: the
# kernel complains of others earlier than by itself. (The stock twins do not.)
hung_tasks() { [ "$1" != ttm_blobs=1 ] || echo 60 >/proc/sys/kernel/hung_task_timeout_secs; }

# gpu_unload: what was closed may still be on its way, and the stock driver warns of that.
# Nor does it like to be asked while ranges leave its list, which debugfs has no lock for.
gpu_unload() {
	sleep 2
	end=$(($(cut -d. -f1 /proc/uptime) + 60))
	while used=$(gpu_used) && [ "$used" != 0 ]; do
		if [ "$(cut -d. -f1 /proc/uptime)" -ge $end ]; then
			echo "FAIL gpu-unload $used bytes of the window are in use with nothing open"
			break
		fi
		sleep 1
	done
	sleep 1
	rmmod virtio_gpu
}
