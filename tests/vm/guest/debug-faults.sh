# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# debug-faults.sh POLICY: the program that makes allocations fail, on a debug kernel
# with page_owner=on kmemleak=on. What is lost by that, the kernel's own leak detectors
# have to say. faults.sh is for the others.

leaks=/sys/kernel/debug/kmemleak

# lost MODULES: memory that their code allocated and nobody points to, as kmemleak
# tells it in /tmp/leaks.
lost() {
	# Objects younger than five seconds are not reported.
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
	cat $leaks >/tmp/leaks
	grep -E "\[($1)\]" /tmp/leaks | head -n 3 | tr '\n' ' '
}

# expect NAME WANTED GOT
expect() {
	if [ "$2" = "$3" ]; then echo "PASS $1"; else echo "FAIL $1 wanted $2, got $3"; fi
}

load_vttm() { load vttm twin=1 vram_mb=1; }

vttm_modules "$1" pfnmap_policy="$1"
# The program loads vttm again with the same.
rmmod vttm && load_vttm || exit 1
echo clear >$leaks

announce FAULT_INJECTION
faults_program "$1"
announce_end
expect kmemleak-no-memory-lost "" "$(lost 'ttm|vttm')"
rmmod vttm || echo "FAIL unload-vttm it cannot be unloaded after the faults"
nothing_owned

# The same, where there is something to find.
load_vttm || exit 1
/files/verify_pages hold >/tmp/held 2>&1 &
pid=$!
while ! grep -q held /tmp/held; do usleep 100000; done
expect page-owner-sees-a-bo 256 "$(owned)"
kill $pid
wait $pid
load stray_mark leak=1
case "$(lost stray_mark)" in
*stray_mark*) echo "PASS kmemleak-sees-what-is-lost" ;;
*) echo "FAIL kmemleak-sees-what-is-lost it does not: $(head -n 20 /tmp/leaks | tr '\n' ' ')" ;;
esac
rmmod stray_mark
unload_vttm
