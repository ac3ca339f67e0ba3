# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# poweroff.sh ttm_blobs=0|1: the machine powers off (init, next) while programs send commands
# to the GPU. The kernel breaks a device's queues before it resets it then, and the stock
# driver warns of each command that it cannot queue any more (check.sh looks for that).

mode=$1
load virtio_pci && load virtio-gpu "$mode" ttm_blobs_timeout_ms=30000 || exit 1
echo "TTM-PFNMAP-POLICY $([ "$mode" = ttm_blobs=1 ] && echo ttm_blobs || echo stock)"
if [ "$mode" = ttm_blobs=1 ] && ! dmesg | grep -q 'TTM manages the window'; then
	echo "FAIL mode TTM does not manage the window"
	exit 1
fi
/files/unplug_use flood >/tmp/flood.1 2>&1 &
first=$!
/files/unplug_use flood >/tmp/flood.2 2>&1 &
sleep 1
if kill -0 $first $!; then
	echo "PASS poweroff-beside-commands"
else
	echo "FAIL poweroff-beside-commands $(cat /tmp/flood.*)"
fi
