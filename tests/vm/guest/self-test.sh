# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# self-test.sh hang|die|splat|fail|print, or lost CPU: a VM in which something goes wrong,
# for tests/vm/self-test.sh.

echo "PASS self-test-started"
case "$1" in
hang) sleep 1000 ;;
die) echo c >/proc/sysrq-trigger ;;
splat) echo "BUG: Bad page state in process self-test" >/dev/kmsg ;;
fail) exit 3 ;;
lost) load kvm-amd && /files/lost_guest "$2" 2000 ;;
print) yes "a line of many" | head -n 200000 ;;
esac
