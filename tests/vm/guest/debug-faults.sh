# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# debug-faults.sh POLICY [SUBTESTS]: the program that makes allocations fail, on a
# debug kernel with page_owner=on kmemleak=on. What is lost by that, the kernel's
# own leak detectors have to say, when the modules are gone.

program=ttm_pfnmap_faults
wanted=$1
subtests=${2:-*}
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

# owned: pages that ttm.ko allocated and that are in use, by page_owner's traces; not
# those that a slab or the direct map's page tables got meanwhile (a large page of it is
# split where one of a BO is not cached). A read gives one trace, or -ENOMEM where it does
# not fit.
owned() {
	dd if=/sys/kernel/debug/page_owner bs=4096 2>/dev/null |
		awk -v RS= '/ttm_pool_alloc/ && !/_slab|change_page_attr/ {
			split($5, order, ",")
			for (p = 1; order[1]-- > 0;)
				p *= 2
			n += p
			print >"/tmp/owned"
		}
		END { print n + 0 }'
}

# expect NAME WANTED GOT
expect() {
	if [ "$2" = "$3" ]; then echo "PASS $1"; else echo "FAIL $1 wanted $2, got $3"; fi
}

load drm || exit 1
# After each program all pages are compared with the mode's books.
/files/verify_pages baseline /tmp/reserved || exit 1
load ttm pfnmap_policy="$wanted" || exit 1
load drm_ttm_helper && load_kvm && load vttm twin=1 vram_mb=1 || exit 1
echo clear >$leaks

announce FAULT_INJECTION
echo "TTM-PFNMAP-PROGRAM $program $(policy)"
"/igt/$program" --list-subtests | while read -r subtest; do
	# shellcheck disable=SC2254 # a pattern
	case "$subtest" in
	$subtests) echo "TTM-PFNMAP-LISTED $subtest" ;;
	esac
done
{
	"/igt/$program" --run-subtest "$subtests"
	echo "TTM-PFNMAP-EXIT $?"
} 2>&1 | cat # IGT colours what it prints to a terminal
echo "TTM-PFNMAP-PROGRAM-END $program"
announce_end

/files/verify_pages check /tmp/reserved "verify-pages-$program"
# What the pool keeps for the next BO is not lost; a look makes it shrink.
n=0
while [ $n -lt 100 ]; do
	cat /sys/kernel/debug/ttm/page_pool_shrink >/dev/null
	n=$((n + 1))
done
expect page-owner-no-page-lost 0 "$(owned)"
[ ! -s /tmp/owned ] || head -n 60 /tmp/owned
expect kmemleak-no-memory-lost "" "$(lost 'ttm|vttm')"

# The same, where there is something to find.
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

rmmod vttm && echo "PASS unload-vttm" || echo "FAIL unload-vttm"
rmmod drm_ttm_helper
rmmod ttm && echo "PASS unload-ttm" || echo "FAIL unload-ttm"
