#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# failures.sh KERNEL: what goes wrong on somebody's machine, done for real to a
# copy of the repository with a cache of its own (whose trees and kernels are
# links to those of the cache): each failure says its cause and cure, leaves no
# process, mount or half-made thing behind, and the same command works afterwards.

. "${0%/*}/lib.sh" || exit

dir=$BUILD/failures
copy=$dir/repo
own=$dir/cache
said=$dir/said

# In a pid namespace of its own whatever is left over can be seen, and ends with it.
if [ "${1:-}" != --inside ]; then
	pin_kernel "$1" >&2
	"$VM_DIR/overlay.sh" "$1" >&2
	[ "$1" != 6.12 ] || "$VM_DIR/root.sh" check >&2
	lock "$BUILD/failures.lock"
	half_made "$dir"
	mkdir -p "$dir"
	"${NS[@]}" "$0" --inside "$1"
	exit
fi
kernel=$2

# ---- What the scenarios share.

# Nothing of this run's environment reaches the command, but for the way to the mirror.
RIG=(env -i "PATH=$PATH" HOME=/nonexistent "CACHE=$own" "TIMEOUT=$TIMEOUT" LC_ALL=C
	${http_proxy:+"http_proxy=$http_proxy"})
MAKE=("${RIG[@]}" make -C "$copy" "KERNEL=$kernel")
OFFLINE=(unshare --net)

failed=0 problem=''
complain() { [ -n "$problem" ] || problem=$*; }

# verdict NAME: the line for all that was tried since the last one.
verdict() {
	if [ -z "$problem" ]; then
		echo "PASS $1"
	else
		echo "FAIL $1 ${problem//$'\n'/ }"
		failed=1
	fi
	problem=''
}

processes() {
	local process
	for process in /proc/[0-9]*; do
		[[ ${process#/proc/} =~ ^($$|$BASHPID)$ ]] || { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null || true
	done
}

# What was killed needs a moment.
no_process() {
	local n
	for ((n = 0; n < 10 * TIMEOUT; n++)); do
		[ -n "$(processes)" ] || return 0
		sleep 0.5
	done
	complain "a process is left: $(processes)"
}

mount_points() { cut -d ' ' -f 2 /proc/self/mounts; }

nothing_left() {
	local left
	no_process
	left=$(find "$own/" "$copy/build/" \( -name '*.tmp' -o -name '*.work' -o -name '*.new' -o -name .new -o -name debs \))
	[ -z "$left" ] || complain "left behind: $left"
	[ "$(mount_points)" = "$mounts" ] || complain "a mount is left: $(mount_points | tail -n 2 | xargs)"
}

says() {
	local text
	for text; do
		grep -qF "$text" "$said" || complain "it did not say \"$text\" but: $(tail -n 3 "$said" | tr '\n' ' ')"
	done
}

# fails CAUSE CURE COMMAND...
fails() {
	local cause=$1 cure=$2
	shift 2
	! "$@" >"$said" 2>&1 </dev/null || complain "it succeeded: $*"
	says "$cause" "$cure"
	nothing_left
}

# works COMMAND...
works() {
	"$@" >"$said" 2>&1 </dev/null || complain "\"$*\" failed: $(tail -n 3 "$said" | tr '\n' ' ')"
	nothing_left
}

# during TEXT DO COMMAND...: start it, and DO when it prints TEXT, or has made the file
# of this name; $pid is its process.
during() {
	local text=$1 act=$2
	shift 2
	: >"$said"
	"$@" >"$said" 2>&1 </dev/null &
	pid=$!
	until [ -e "$text" ] || grep -qF "$text" "$said" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	# What it said is about to begin; what it makes next after a file may soon be done.
	[ -e "$text" ] || sleep 0.3
	$act || complain "it ended before \"$text\": $(tail -n 3 "$said" | tr '\n' ' ')"
	! wait "$pid" 2>/dev/null || complain "it succeeded: $*"
}

kill_it() { kill -KILL "$pid"; }
stop_it() { kill -TERM "$pid"; }

# mount_small DIR MEGABYTES: DIR's contents on a file system of this size.
mount_small() {
	mount -t tmpfs -o "size=$2m" tmpfs "$dir/mnt"
	cp -a "$1/." "$dir/mnt/"
	# A plain user cannot write where mount would note it.
	mount -n --move "$dir/mnt" "$1"
	mounts=$(mount_points)
	small=$1
}

# Full but for a megabyte, or what is written meanwhile: it cannot become too small.
fill_it() {
	local used n
	for ((n = 1; n < 100; n++)); do
		used=$(df -Pm "$small" | awk 'NR == 2 { print $3 }')
		! mount -o "remount,size=$((used + n))m" "$small" 2>"$dir/mount" || return 0
	done
	complain "$small cannot be filled: $(<"$dir/mount")"
}
free_it() { mount -o remount,size=4g "$small"; }

unmount_small() {
	umount "$small"
	mounts=$(mount_points)
}

# skip NAME REASON: for what is not ours, and each REASON is one of skips.allowed; what
# has gone wrong already is a failure.
skip() {
	if [ -n "$problem" ]; then verdict "$1"; else echo "SKIP $1 $2"; fi
}

# mirror_answers: asked by apt in the tree of the cache, as root, which is no part of what
# is tried. A mirror that answers and has not what is asked for is no reason to skip.
mirror_answers() {
	local mirror
	mirror=$(sed -n 's/^deb \(\[.*\] \)\?\([^ ]*\) trixie .*/\2/p' "$(layer_dir base)/etc/apt/sources.list" | head -n 1)
	"${RIG[@]}" "CACHE=$CACHE" "$copy/tests/vm/in-root.sh" /usr/lib/apt/apt-helper -o APT::Sandbox::User=root \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=20 \
		download-file "$mirror/dists/trixie/InRelease" /tmp/InRelease >"$dir/mirror" 2>&1 </dev/null
}

# ---- The scenarios.

build_fails() {
	local file=$copy/drivers/gpu/drm/ttm/ttm_pfnmap.c
	echo 'int broken(;' >>"$file"
	fails "error: expected" "error: failed: build our ttm.ko for $kernel" "${MAKE[@]}" modules
	says "the whole log: $copy/build/logs/build-$kernel-ttm.log"
	sed -i '$d' "$file"
	works "${MAKE[@]}" modules
	verdict build-fails
}

# The kernel's source changes under our hooks.
hooks_differ() {
	local file=$own/kernels/$name/stock/drivers/gpu/drm/ttm/ttm_device.c
	cp "$file" "$dir/ttm_device.c"
	sed -i 's/^void ttm_device_fini(/void ttm_device_gone(/' "$file"
	fails "rule device_fini: kernel $kernel, expected 1 matches, found 0" \
		"the hooks do not fit kernel $kernel ($name)" "${MAKE[@]}" modules
	cp "$dir/ttm_device.c" "$file"
	verdict hook-matches-less
	sed -n '/^void ttm_device_fini(/,/^}/p' "$dir/ttm_device.c" >>"$file"
	fails "rule device_fini: kernel $kernel, expected 1 matches, found 2" \
		"the hooks do not fit kernel $kernel ($name)" "${MAKE[@]}" modules
	cp "$dir/ttm_device.c" "$file"
	works "${MAKE[@]}" modules
	verdict hook-matches-more
	sed -i '/^device_fini /d' "$copy/drivers/gpu/drm/ttm/hooks.expect"
	fails "rule device_fini: kernel $kernel, is not in hooks.expect, found 1" \
		"the hooks do not fit kernel $kernel ($name)" "${MAKE[@]}" modules
	cp "$REPO/drivers/gpu/drm/ttm/hooks.expect" "$copy/drivers/gpu/drm/ttm/"
	verdict hook-without-a-count
}

# Make, and the script that it called, killed the hard way in a compilation.
killed_build() {
	local file=$copy/drivers/gpu/drm/ttm/ttm_pfnmap.c
	echo '/* changed */' >>"$file"
	during "....   build our ttm.ko" kill_it "${MAKE[@]}" modules
	no_process
	works "${MAKE[@]}" modules
	verdict killed-make
	echo '/* changed again */' >>"$file"
	during "....   build our ttm.ko" kill_it "${RIG[@]}" "$copy/tests/vm/overlay.sh" "$kernel"
	no_process
	works "${MAKE[@]}" modules
	verdict killed-script
	echo '/* and again */' >>"$file"
	during "....   build our ttm.ko" stop_it "${MAKE[@]}" modules
	nothing_left
	works "${MAKE[@]}" modules
	verdict stopped-make
}

# made_once COMMAND...: the second time it does nothing.
made_once() {
	works "$@"
	works "$@"
	! grep -q ' s  ' "$said" || complain "not everything is reused: $(grep -m 1 ' s  ' "$said")"
}

two_at_once() {
	local first again
	echo '/* for two */' >>"$copy/drivers/gpu/drm/ttm/ttm_pfnmap.c"
	"${MAKE[@]}" modules >"$said.first" 2>&1 </dev/null &
	first=$!
	"${MAKE[@]}" modules >"$said" 2>&1 </dev/null || complain "one failed: $(tail -n 3 "$said" | tr '\n' ' ')"
	wait $first || complain "the other failed: $(tail -n 3 "$said.first" | tr '\n' ' ')"
	nothing_left
	[ "$(cat "$said" "$said.first" | grep -c ' s  build our ttm.ko')" = 1 ] || complain "it was not built once"
	verdict two-makes-at-once
	made_once "${MAKE[@]}" modules
	made_once "${RIG[@]}" "$copy/tests/vm/build-igt.sh"
	works "${RIG[@]}" FILES= "$copy/tests/vm/initramfs.sh" "$kernel" self-test stock drm
	touch "$dir/before"
	works "${RIG[@]}" FILES= "$copy/tests/vm/initramfs.sh" "$kernel" self-test stock drm
	again=$(find "$copy/build" -name '*.cpio.hash' -newer "$dir/before")
	[ -z "$again" ] || complain "made again: $again"
	verdict nothing-made-twice
}

vm_killed() {
	during "boot $kernel self-test" kill_it "${RIG[@]}" VM_ARGS=hang VM_SECONDS=60 \
		"$copy/tests/vm/run-vm.sh" "$kernel" self-test self-test.sh
	no_process
	fails "the VM $kernel self-test hung: stopped after" "try TIMEOUT=" "${RIG[@]}" TIMEOUT=1 \
		VM_ARGS=hang VM_SECONDS=5 "$copy/tests/vm/run-vm.sh" "$kernel" self-test self-test.sh
	verdict vm-killed-and-hung
}

# Both of the demo's VMs run, and their kernels print.
kill_vms() {
	local vm=$copy/build/$kernel/vm n
	for ((n = 0; n < 600 * TIMEOUT; n++)); do
		[ ! -s "$vm/demo-stock.console" ] || [ ! -s "$vm/demo-ours.console" ] || break
		sleep 0.1
	done
	[[ $(processes) == *qemu-system* ]] || complain "no VM of the demo runs"
	kill_it
}

demo_killed() {
	during "$copy/build/$kernel/vm/demo-ours.console" kill_vms "${OFFLINE[@]}" "${MAKE[@]}" demo
	no_process
	# Large, where others copy what is there. The trees are the second half's, which are
	# begun meanwhile if the cache has none: who wants one next removes what there is of it.
	rm -rf --one-file-system "$copy/build/$kernel/vm"/demo-* "$own"/root-*.{tmp,work}
	verdict demo-killed
}

full_build() {
	mount_small "$copy/build" 280
	fails "needs 300 MB in $copy/build, and only" "free some space" "${MAKE[@]}" modules
	free_it
	# All of it, for what is written again may find its old place; and it is to be built.
	rm -rf "$own/modules"
	rm -f "$copy/build/$kernel/ttm"/{*.o,*.ko,.built}
	during "....   build our ttm.ko" fill_it "${MAKE[@]}" modules
	says "The disk is full: free some space"
	nothing_left
	free_it
	works "${MAKE[@]}" modules
	verdict full-disk-in-a-build
	rm -f "$copy/build/vm"/*
	# It has looked for space by then.
	during "$copy/build/vm/base.lock" fill_it "${RIG[@]}" FILES= "$copy/tests/vm/initramfs.sh" "$kernel" self-test stock drm
	says "The disk is full: free some space"
	nothing_left
	free_it
	works "${RIG[@]}" FILES= "$copy/tests/vm/initramfs.sh" "$kernel" self-test stock drm
	verdict full-disk-in-an-initramfs
	# There is a megabyte left, and it prints three.
	during "boot $kernel self-test" fill_it "${RIG[@]}" VM_ARGS=print VM_SECONDS=120 \
		"$copy/tests/vm/run-vm.sh" "$kernel" self-test self-test.sh
	says "The disk is full: free some space"
	no_process
	free_it
	works "${RIG[@]}" VM_ARGS=print VM_SECONDS=120 "$copy/tests/vm/run-vm.sh" "$kernel" self-test self-test.sh
	verdict full-disk-under-a-vm
	unmount_small
}

full_cache() {
	local tree
	tree=$own/$(basename "$(layer_dir base)")
	mv "$own" "$own.filled"
	mkdir "$own"
	mount_small "$own" 100
	fails "the root tree needs 2500 MB in $own, and only" "set CACHE=DIR to use another disk" \
		"${MAKE[@]}" root
	verdict full-disk-for-the-tree
	free_it
	if mirror_answers; then
		# It has fetched packages and unpacks them.
		during "$tree.tmp/usr/bin/dpkg" fill_it "${MAKE[@]}" root
		says "The disk is full: free some space" "error: failed: make the Debian 13 tree"
		nothing_left
		[ ! -e "$tree" ] || complain "there is a tree all the same"
		verdict full-disk-in-the-tree
	else
		skip full-disk-in-the-tree "the Debian mirror cannot be reached"
	fi
	unmount_small
	rmdir "$own"
	mv "$own.filled" "$own"
	works "${MAKE[@]}" root
	verdict tree-after-a-full-disk
}

# A tree that is a copy of another, with more packages, which are added with /proc and
# /dev mounted in it.
layer_fails() {
	local base tree root=("${RIG[@]}" "$copy/tests/vm/root.sh" bochs)
	base=$(basename "$(layer_dir base)") tree=$own/$(basename "$(layer_dir bochs)")
	if ! mirror_answers; then
		skip full-disk-and-killed-in-a-layer "the Debian mirror cannot be reached"
		return
	fi
	mount_small "$own" 4096
	# No links, through which the real one would be written to.
	rm -f "$own/$base" "$tree"
	cp -a "$CACHE/$base/." "$own/$base/"
	during "$tree.tmp/usr/share/bochs" fill_it "${root[@]}"
	says "The disk is full: free some space" "error: failed: make the Debian 13 tree with the tools (bochs)"
	nothing_left
	[ ! -e "$tree" ] || complain "there is a tree all the same"
	free_it
	during "$tree.tmp/var/log/apt/term.log" kill_it "${root[@]}"
	no_process
	made_once "${root[@]}"
	[ -x "$tree/usr/bin/bochs" ] || complain "there is no bochs in it"
	unmount_small
	verdict full-disk-and-killed-in-a-layer
}

# The largest thing that is unpacked without a network.
full_kunit() {
	mount_small "$own" 4096
	during "....   unpack the source" kill_it "${RIG[@]}" "$copy/tests/vm/kunit.sh"
	no_process
	during "....   unpack the source" fill_it "${RIG[@]}" "$copy/tests/vm/kunit.sh"
	says "The disk is full: free some space" "error: failed: unpack the source"
	nothing_left
	free_it
	during "....   unpack the source" stop_it "${RIG[@]}" "$copy/tests/vm/kunit.sh"
	nothing_left
	unmount_small
	verdict full-disk-and-killed-in-an-unpack
}

no_network_and_no_cache() {
	local make=("${OFFLINE[@]}" "${RIG[@]}" "CACHE=$own/empty" make -C "$copy" "KERNEL=$kernel" demo)
	during "make the Debian 13 tree" stop_it "${make[@]}"
	nothing_left
	during "make the Debian 13 tree" kill_it "${make[@]}"
	no_process
	fails "The Debian mirror cannot be reached" "is there a network, or a proxy to name in http_proxy?" "${make[@]}"
	rm -r "$own/empty"
	works "${MAKE[@]}" root
	verdict no-network-and-no-cache
}

no_network() {
	touch -d '2 days ago' "$own/kernels/$kernel.current"
	works "${OFFLINE[@]}" "${MAKE[@]}" modules
	says "the Debian mirror does not answer, going on with $name"
	verdict no-network-and-a-filled-cache
	mv "$own/kernels/$kernel.current" "$dir/"
	fails "cannot ask the Debian mirror for kernel $kernel" "is there a network?" "${OFFLINE[@]}" "${MAKE[@]}" demo
	mv "$dir/$kernel.current" "$own/kernels/"
	works "${MAKE[@]}" modules
	verdict no-network-and-no-kernel
}

# commands_without COMMAND...: a directory for PATH with every command but these.
commands_without() {
	rm -rf "$dir/commands"
	mkdir "$dir/commands"
	find /usr/sbin /usr/bin -mindepth 1 -exec ln -sft "$dir/commands" {} +
	(cd "$dir/commands" && rm -f "$@")
}

no_mmdebstrap() {
	local make=("${OFFLINE[@]}" "${RIG[@]}" "PATH=$dir/commands" "CACHE=$own/empty" make -C "$copy" root)
	commands_without mmdebstrap apt-get
	fails "mmdebstrap is missing" "install it with your system's package manager" "${make[@]}"
	commands_without mmdebstrap
	# A Debian on which it is not installed, and that has no network.
	mount -t tmpfs tmpfs /var/lib/dpkg
	mount -t tmpfs tmpfs /var/lib/apt/lists
	mount -t tmpfs tmpfs /var/cache/apt
	mounts=$(mount_points)
	mkdir /var/lib/dpkg/{info,updates,triggers}
	touch /var/lib/dpkg/status
	fails "failed: install mmdebstrap, which is missing on this machine" \
		"is there a network, or a proxy to name in http_proxy?" "${make[@]}"
	umount /var/lib/dpkg /var/lib/apt/lists /var/cache/apt
	mounts=$(mount_points)
	rm -r "$own/empty"
	works "${MAKE[@]}" root
	verdict no-mmdebstrap
}

# Where another user can reach it.
plain_user() {
	local left user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	mount -t tmpfs tmpfs /mnt
	mounts=$(mount_points)
	cp -a "$copy" /mnt/repo
	rm -rf /mnt/repo/build
	mkdir /mnt/cache
	chown -R 65534:65534 /mnt/repo /mnt/cache
	fails "a plain user needs user namespaces with sub-ids here" "run make as root, or: install the package uidmap" \
		"${user[@]}" "${RIG[@]}" CACHE=/mnt/cache make -C /mnt/repo demo
	left=$(find /mnt/cache -mindepth 1 ! -name root.lock)
	[ -z "$left" ] || complain "left in the cache: $left"
	umount /mnt
	mounts=$(mount_points)
	verdict plain-user-without-sub-ids
}

# fetch_uidmap TO: its programs, from Debian, and nothing of it on this machine.
fetch_uidmap() {
	mount -t tmpfs tmpfs /var/lib/apt/lists
	mount -t tmpfs tmpfs /var/cache/apt
	mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
	(cd "$1" && apt-get update && apt-get -o APT::Sandbox::User=root download uidmap &&
		dpkg-deb -x uidmap_*.deb .) >"$said" 2>&1 || complain "uidmap cannot be fetched"
	umount /var/lib/apt/lists /var/cache/apt
}

# From nothing, without root, as far as a VM that runs.
plain_user_makes() {
	local id rig make file plain=$dir/plain user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	local why='' what=plain-user-makes-all
	# Inside of the namespace that a plain user has there are no others' ids.
	if [ "$(awk '{ ids += $3 } END { printf "%.0f", ids }' /proc/self/uid_map)" -lt 300000 ]; then
		why="this run is a plain user's own"
	elif ! "${user[@]}" unshare --user true 2>"$said"; then
		why="this machine has no user namespaces for plain users"
	elif [ ! -f /etc/subuid ] || [ ! -f /etc/subgid ]; then
		why="this machine has no /etc/subuid and /etc/subgid"
	elif ! command -v newuidmap apt-get >"$said"; then
		why="this machine has neither newuidmap nor an apt-get to fetch it"
	elif ! mirror_answers; then
		why="the Debian mirror cannot be reached"
	fi
	if [ -n "$why" ]; then
		skip $what "$why"
		return
	fi
	mkdir -p "$plain"/{cache,uidmap}
	command -v newuidmap >"$said" || fetch_uidmap "$plain/uidmap"
	for id in subuid subgid; do
		echo "65534:200000:65536" >"$dir/$id"
		mount --bind "$dir/$id" "/etc/$id"
	done
	mount --bind "$plain" /mnt
	mounts=$(mount_points)
	cp -a "$copy" /mnt/repo
	# It makes our ttm.ko and vttm.ko; virtio-gpu.ko and the tests' modules are there.
	rm -rf /mnt/repo/build
	mkdir -p "/mnt/repo/build/$kernel"
	cp -a "$copy/build/$kernel"/{virtio,kmod} "/mnt/repo/build/$kernel/"
	chown -R 65534:65534 /mnt/repo /mnt/cache
	rig=("${user[@]}" "${RIG[@]}" "PATH=/mnt/uidmap/usr/bin:$PATH" CACHE=/mnt/cache)
	make=("${rig[@]}" make -C /mnt/repo "KERNEL=$kernel" modules)
	if [ -z "$problem" ]; then
		made_once "${make[@]}"
		for file in ttm/ttm vttm/vttm; do
			[ -s "/mnt/repo/build/$kernel/$file.ko" ] || complain "it made no $file.ko"
		done
		works "${rig[@]}" FILES= /mnt/repo/tests/vm/initramfs.sh "$kernel" self-test stock drm
		works "${rig[@]}" VM_ARGS=pass VM_SECONDS=120 \
			/mnt/repo/tests/vm/run-vm.sh "$kernel" self-test self-test.sh
		grep -qxs 'PASS self-test-started' "/mnt/repo/build/$kernel/vm/self-test.out" ||
			complain "its VM did not say that it started"
	fi
	verdict $what
	umount /etc/subuid /etc/subgid /mnt
	mounts=$(mount_points)
	rm -rf "$plain"
}

# A security update came: its packages take the place of the older ones, which stay
# until they are there.
new_kernel() {
	local old=$own/kernels/$kernel-0.1-1 make=("${MAKE[@]}" kernels)
	# The least that is built of a kernel's packages.
	local least=("${RIG[@]}" "$copy/tests/vm/overlay.sh" "$kernel" stock)
	mv "$own/kernels/$name" "$old"
	echo "${old##*/}" >"$own/kernels/$kernel.current"
	works "${least[@]}"
	touch -d '2 days ago' "$own/kernels/$kernel.current"
	if ! "${RIG[@]}" IN_CACHE=1 "$copy/tests/vm/in-root.sh" /src/tests/vm/fetch-kernel.sh \
		"$(suite_of "$kernel")" "/cache/kernels/apt-$(suite_of "$kernel")" resolve >"$said" 2>&1; then
		mv "$old" "$own/kernels/$name"
		echo "$name" >"$own/kernels/$kernel.current"
		if mirror_answers; then
			complain "the mirror answers, and the kernel cannot be had: $(tail -n 3 "$said" | tr '\n' ' ')"
		fi
		skip new-kernel "the Debian mirror cannot be reached"
		return
	fi
	during "....   fetch Debian's $kernel-" kill_it "${make[@]}"
	no_process
	during "....   unpack $kernel-" kill_it "${make[@]}"
	no_process
	during "....   unpack $kernel-" stop_it "${make[@]}"
	nothing_left
	mount_small "$own" 4096
	during "....   unpack $kernel-" fill_it "${make[@]}"
	says "The disk is full: free some space" "error: failed: unpack $kernel-"
	nothing_left
	free_it
	unmount_small
	if [ "$(<"$own/kernels/$kernel.current")" != "${old##*/}" ] || [ ! -d "$old" ]; then
		complain "the older packages are gone and the new ones are not there"
	fi
	works "${least[@]}"
	says " s  unpack $kernel-" " s  build the stock ttm.ko for $kernel"
	[ ! -e "$old" ] || complain "the older packages are left"
	name=$(<"$own/kernels/$kernel.current")
	[ -d "$own/kernels/$name/boot" ] || complain "the new packages are not there: $name"
	works "${MAKE[@]}" modules
	verdict new-kernel
}

# Not what is somebody's, nor what is in use.
cleaned() {
	local home=$dir/home make=("${RIG[@]}" "CACHE=$dir/home" make -C "$copy")
	mkdir -p "$home/kernels" "$home/root-base-0123456789ab"
	touch "$home/root.lock" "$home/.profile"
	fails "$home/.profile is not ours" "$home is left alone" "${make[@]}" distclean
	rm "$home/.profile"
	exec {held}<"$home/root-base-0123456789ab"
	flock -s "$held"
	fails "$home/root-base-0123456789ab/ is in use by another make" "wait for it" "${make[@]}" distclean
	exec {held}<&-
	exec {held}>"$copy/build/$kernel/.lock"
	flock "$held"
	fails "$copy/build/$kernel/.lock is in use by another make" "wait for it" "${make[@]}" clean
	if [ ! -d "$copy/build/$kernel/ttm" ] || [ ! -d "$home/kernels" ]; then
		complain "something is gone"
	fi
	exec {held}<&-
	"${make[@]}" distclean >"$said" 2>&1 || complain "distclean failed: $(tail -n 1 "$said")"
	if [ -e "$home" ] || [ -e "$copy/build" ] || [ ! -d "$own/kernels" ]; then
		complain "distclean left something, or took too much"
	fi
	verdict clean-takes-what-is-ours
}

# ---- The copy and its cache.

mount --make-rprivate /
mount -t proc proc /proc
mkdir -p "$copy/build/$kernel" "$dir/mnt" "$own/kernels"
cp -a "$REPO"/{Makefile,drivers,include,tests} "$copy/"
[ ! -d "$BUILD/igt" ] || cp -a "$BUILD/igt" "$copy/build/"
cp -a "$BUILD/$kernel"/{ttm,virtio,vttm,kmod} "$copy/build/$kernel/"
for path in "$CACHE"/root-*[0-9a-f]; do
	ln -s "$path" "$own/"
done
name=$(basename "$(kernel_dir "$kernel")")
mkdir "$own/kernels/$name"
for path in boot usr lib; do
	ln -s "$CACHE/kernels/$name/$path" "$own/kernels/$name/"
done
cp -a "$CACHE/kernels/$name/stock" "$own/kernels/$name/"
echo "$name" >"$own/kernels/$kernel.current"
mounts=$(mount_points)

time_of() {
	local start=$SECONDS
	"$1"
	say "$((SECONDS - start)) s $1" >&2
}
for scenario in build_fails hooks_differ killed_build two_at_once vm_killed demo_killed full_build full_cache \
	no_network_and_no_cache no_network no_mmdebstrap plain_user plain_user_makes new_kernel; do
	time_of $scenario
done
[ "$kernel" != 6.12 ] || time_of layer_fails
[ "$kernel" != 6.12 ] || time_of full_kunit
time_of cleaned
[ $failed -eq 0 ]
