# SPDX-License-Identifier: GPL-2.0-only
#
# refused.awk QEMU-OUTPUT: the commands that virtio-gpu's host refused, one a line, as
# "ctrl 0x10c, error 0x1200". Wants QEMU's -trace virtio_set_status.
#
# Not those of a device that is reset: its driver does not wait for the last commands that it
# sent. If the device is told to reset itself before QEMU has looked at them, QEMU forgets all
# resources first, and then complains that it does not know the one to be unreferenced (QEMU
# 11.1; the driver's removal is the stock one).

# virtio_set_status vdev 0x55603e6bd800 val 15
/^virtio_set_status vdev / {
	if ($NF != 0) {
		used[$3] = 1
		delete reset[$3]
	} else if ($3 in used) {
		reset[$3] = 1
	}
	next
}

/virtio_gpu_virgl_process_cmd: ctrl .* error/ {
	for (device in reset)
		next
	sub(/.*virtio_gpu_virgl_process_cmd: /, "")
	print
}
