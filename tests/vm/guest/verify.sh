# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# verify.sh POLICY: does verify_pages notice what it has to notice? The
# policy "naive", which only the test build of ttm.ko has, leaves pages without
# their count, and stray_mark reserves a page that is in nobody's books.

wanted=$1
echo "TTM-PFNMAP-POLICY $wanted"

# verify NAME PATTERN: what verify_pages says must match.
verify() {
	/files/verify_pages check /tmp/reserved it >/tmp/verify
	if grep -qE "$2" /tmp/verify; then
		echo "PASS $1 $(cat /tmp/verify)"
	else
		echo "FAIL $1 it did not say \"$2\" but: $(cat /tmp/verify)"
	fi
}

# held COMMAND...: run it in the background until it says "held".
held() {
	"$@" >/tmp/held 2>&1 &
	pid=$!
	n=0
	while ! grep -q held /tmp/held && [ $n -lt 600 ]; do
		n=$((n + 1))
		usleep 100000
	done
}

load drm || exit 1
/files/verify_pages baseline /tmp/reserved || exit 1
load ttm pfnmap_policy="$wanted" || exit 1
load drm_ttm_helper && load kvm-amd && load vttm || exit 1
[ "$(policy)" = "$wanted" ] || echo "FAIL policy-$wanted the policy is $(policy)"
verify verify-sees-nothing '^PASS it .*; 0 reserved since ttm.ko, 0 marked'

held /files/verify_pages hold
case "$wanted" in
naive) verify verify-finds-wrong-counts '^FAIL it .*; 256 reserved since ttm.ko, 256 marked.*[0-9] without a count of 1' ;;
reserved) verify verify-sees-a-bo '^PASS it .*; 256 reserved since ttm.ko, 256 marked' ;;
counted) verify verify-sees-no-flag '^PASS it .*; 0 reserved since ttm.ko, 256 marked' ;;
esac
kill $pid
wait $pid
if [ "$wanted" = reserved ]; then
	held /files/vmm_hold
	verify verify-sees-the-quarantine '^PASS it .*; 256 reserved since ttm.ko, 256 marked'
	kill $pid
	wait $pid
fi
verify verify-sees-it-empty '^PASS it .*; 0 reserved since ttm.ko, 0 marked'

load stray_mark || exit 1
verify verify-finds-a-stray-mark '^FAIL it .*; 1 reserved since ttm.ko, 0 marked'
rmmod stray_mark
verify verify-is-content-again '^PASS it .*; 0 reserved since ttm.ko, 0 marked'
