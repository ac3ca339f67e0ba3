# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# mesa.sh ttm_blobs=0|1: Debian's Mesa, virgl and venus, with buffers of ten times the
# window mapped at once; then processes that compete for the window. Without TTM all of
# them run out, and that is asserted too.

mode=$1
gpu_disk || exit 1
# Linux 6.1 leaks the console's buffer when virtio-gpu is unloaded, mode or not.
load drm_kms_helper fbdev_emulation=0 || exit 1
# How busy the host is shall make no difference.
load virtio-gpu "$mode" ttm_blobs_timeout_ms=30000 || exit 1
hung_tasks "$mode"

echo "TTM-PFNMAP-POLICY $([ "$mode" = ttm_blobs=1 ] && echo ttm_blobs || echo stock)"
export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json
window=$(awk '/host visible region/ { print $NF }' /sys/kernel/debug/dri/0/virtio-gpu-features)
in_window=$((${window#+} >> 22))

# judge TEST LOG DEVICE BUFFERS ERROR: what a program said that wanted so many; ERROR is
# what a window that is full gives.
judge() {
	said=$(tail -n 1 "$2")
	mapped=$(field mapped "$2")
	last=$(grep -v ^buffers "$2" | tail -n 4 | tr '\n' ' ')
	if grep -q ' words are wrong$' "$2"; then
		echo "FAIL $1 wrong data: $last"
	elif ! grep -q "^device: .*$3" "$2"; then
		echo "FAIL $1 not on $3: $last"
	elif grep -q 'the program ended with' "$2"; then
		echo "FAIL $1 ended: $last"
	elif [ "$(field wrong-from-gpu "$2") $(field wrong-from-cpu "$2")" != "0 0" ]; then
		echo "FAIL $1 wrong data: $said"
	elif [ "$mode" = ttm_blobs=1 ] && [ "$mapped" = "$4" ]; then
		echo "PASS $1 $said"
	elif [ "$mode" != ttm_blobs=1 ] && [ "$(field error "$2")" = "$5" ] &&
		[ "$mapped" -gt 0 ] && [ "$mapped" -le $in_window ]; then
		echo "PASS $1 the window is full: $said"
	else
		echo "FAIL $1 $said"
	fi
}

run_map() { "/files/${1}_map" "$2" || echo "wrong-from-gpu=-1: the program ended with $?"; }

# try NAME DEVICE ERROR: run /files/NAME_map on a device of this name.
try() {
	log=/tmp/$1.log
	run_map "$1" $((10 * in_window)) >"$log" 2>&1
	cat "$log"
	judge "overcommit-$1" "$log" "$2" $((10 * in_window)) "$3"
}

# counted NAME: a counter of the window, with TTM.
counted() { awk -v name="$1" '$1 == name { print $2 }' /sys/kernel/debug/dri/0/virtio-gpu-window; }

# Two processes of each, with threads, each of which wants all of the window.
compete() {
	total=0
	evictions=$(counted evictions)
	for program in venus.1 venus.2 virgl.1 virgl.2; do
		run_map "${program%.*}" $in_window >"/tmp/$program" 2>&1 &
	done
	wait
	for program in venus.1 venus.2 virgl.1 virgl.2; do
		mapped=$(field mapped "/tmp/$program")
		total=$((total + mapped))
		[ "$mode" != ttm_blobs=1 ] ||
			judge "overcommit-compete-$program" "/tmp/$program" "$1" $in_window 0
		shift
	done
	wanted=$((4 * in_window))
	if [ "$mode" = ttm_blobs=1 ]; then
		evictions=$(($(counted evictions) - evictions))
		# Or they came one after the other.
		[ $evictions -ge $((2 * in_window)) ] && verdict=PASS || verdict=FAIL
		echo "$verdict overcommit-compete-evictions $evictions, in a window for $in_window"
	elif [ $total -gt 0 ] && [ $total -lt $wanted ]; then
		echo "PASS overcommit-compete the window is full: $total of $wanted buffers"
	else
		echo "FAIL overcommit-compete $total of $wanted buffers in a window for $in_window"
	fi
}

# limited COMMAND...: a program that does not end is ended, and what it waited for is
# kept for the end of the results: this was seen once, without a word of anybody's.
limited() {
	timeout -s KILL 100 "$@"
	rc=$?
	if [ $rc = 137 ]; then
		{
			echo "$1 did not end"
			cat /sys/kernel/debug/dri/0/virtio-gpu-window /sys/kernel/debug/dri/0/virtio-gpu-irq-fence
		} >>/tmp/stuck
	fi
	return $rc
}

# All that Mesa tells of its devices, but for how much memory is in use just now.
describe() {
	limited eglinfo.x86_64-linux-gnu -p surfaceless >/tmp/eglinfo && limited vulkaninfo >/tmp/vulkaninfo
	echo "ended with $?"
	sed '/\<\(usage\|budget\|heapUsage\|heapBudget\)\>/d; / memory\( - total\)\?: *[0-9]* MB/d' /tmp/eglinfo /tmp/vulkaninfo
}

# Debian's own benchmark looks at pixels of what it has drawn. (Its canvas is as large as
# the screen, and some scenes look elsewhere: they fail, with the stock driver as well.)
draw() {
	maps=$(counted maps)
	limited glmark2-es2-drm --off-screen --validate -b build -b bump -b texture -b shading -b buffer 2>&1 |
		grep Validation:
	[ -z "$maps" ] || echo "glmark2 mapped $(($(counted maps) - maps)) blobs" >&2
}

# piglit's test of buffers that stay mapped, in all its variants: the GPU draws from one
# what the CPU writes, and the CPU reads what the GPU copies to one.
PIGLIT=/usr/lib/x86_64-linux-gnu/piglit/bin/bufferstorage-persistent
variants() {
	for test in draw read; do
		printf '%s\n' "$test" "$test coherent" "$test client-storage" "$test coherent client-storage"
	done
}

piglit() {
	maps=$(counted maps)
	variants | while read -r words; do
		# shellcheck disable=SC2086 # one argument a word
		PIGLIT_PLATFORM=surfaceless_egl limited $PIGLIT $words -auto -fbo >/tmp/piglit 2>&1 </dev/null
		sed -n "s/^PIGLIT: /$words: /p" /tmp/piglit
	done
	[ -z "$maps" ] || piglit_mapped=$(($(counted maps) - maps))
}

# same NAME TEXT...: /tmp/NAME.ttm_blobs=0 and 1 are equal, and hold these texts.
same() {
	name=$1
	shift
	for text; do
		grep -qF "$text" "/tmp/$name.$mode" || echo "no \"$text\""
	done >/tmp/missing
	if diff "/tmp/$name.$mode" "/tmp/$name.$other" && [ ! -s /tmp/missing ]; then
		echo "PASS same-$name $(wc -l <"/tmp/$name.$mode") lines of it"
	else
		echo "FAIL same-$name it differs with $other, or says too little: $(tr '\n' ' ' </tmp/missing)"
	fi
}

# What programs say in both modes. They are the disk's.
compare() {
	PATH=$PATH:/usr/bin
	other=ttm_blobs=$((1 - ${mode#*=}))
	describe >"/tmp/devices.$mode" 2>&1
	draw >"/tmp/virgl-glmark2.$mode"
	piglit >"/tmp/virgl-piglit.$mode"
	if ! gpu_unload || ! load virtio-gpu "$other" ttm_blobs_timeout_ms=30000; then
		echo "FAIL compare $other cannot be tried"
		return
	fi
	describe >"/tmp/devices.$other" 2>&1
	draw >"/tmp/virgl-glmark2.$other"
	piglit >"/tmp/virgl-piglit.$other"
	same devices 'Virtio-GPU Venus' 'virgl (' 'VK_KHR_maintenance1' 'ended with 0'
	# So vkcube and vkmark have nothing to draw to.
	if grep VK_KHR_swapchain "/tmp/devices.$mode" "/tmp/devices.$other"; then
		echo "FAIL venus-has-no-swapchain it has: vkmark could be run"
	else
		echo "PASS venus-has-no-swapchain"
	fi
	same virgl-glmark2 '[build] <default>: Validation: Success' '[bump] <default>: Validation: Success'
	variants | sed 's/$/: {"result": "pass" }/' >/tmp/virgl-piglit.wanted
	if diff /tmp/virgl-piglit.wanted "/tmp/virgl-piglit.$mode"; then
		same virgl-piglit
	else
		echo "FAIL same-virgl-piglit the last of them said: $(tail -n 3 /tmp/piglit | tr '\n' ' ')"
	fi
	[ "${piglit_mapped:-0}" -ge "$(variants | wc -l)" ] && verdict=PASS || verdict=FAIL
	echo "$verdict virgl-piglit-maps-blobs $piglit_mapped of them"
}

# VK_ERROR_OUT_OF_DEVICE_MEMORY and GL_OUT_OF_MEMORY.
try venus Venus -2
try virgl virgl $((0x505))
compete Venus Venus virgl virgl
cat /sys/kernel/debug/dri/0/virtio-gpu-window
compare
[ ! -f /tmp/stuck ] || cat /tmp/stuck
