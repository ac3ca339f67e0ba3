# SPDX-License-Identifier: GPL-2.0-only
#
# refused.awk QEMU-OUTPUT: the commands that virtio-gpu's host refused, one a line, as
# "ctrl 0x10c, error 0x1200". Wants QEMU's -trace virtio_set_status.
#
# Not the UNREF of a resource that is not known (0x102, 0x1203) while a device is reset: its
# driver does not wait for the last commands that it sent. If the device is told to reset itself
# before QEMU has looked at them, QEMU forgets all resources first, and then complains that it
# does not know the one to be unreferenced (QEMU 11.1; the driver's removal is the stock one).
# Other programs print into the same file, and may not have ended their line.

# virtio_set_status vdev 0x55603e6bd800 val 15
match($0, /virtio_set_status vdev 0x[0-9a-f]+ val [0-9]+/) {
	split(substr($0, RSTART, RLENGTH), word, " ")
	if (word[5] != 0) {
		used[word[3]] = 1
		delete reset[word[3]]
	} else if (word[3] in used) {
		reset[word[3]] = 1
	}
}

/virtio_gpu_virgl_process_cmd: ctrl .* error/ {
	sub(/.*virtio_gpu_virgl_process_cmd: /, "")
	if ($0 ~ /^ctrl 0x102, error 0x1203/)
		for (device in reset)
			next
	print
}
