# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script of the rig shares: places, messages, steps, locks.

set -euo pipefail
# What make was told is not meant for the kernel's make.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES KCFLAGS KCPPFLAGS KAFLAGS CROSS_COMPILE ARCH
# A plain user of Debian does not find chroot otherwise.
PATH=$PATH:/usr/sbin:/sbin

# A script must not outlive the one that called it, not even when that one is
# killed the hard way: otherwise a killed make would leave QEMU running.
if [ "${RIG_DIES_WITH_PARENT:-}" != $$ ]; then
	RIG_DIES_WITH_PARENT=$$ exec setpriv --pdeathsig KILL -- bash "$0" "$@"
fi

# The caller may have been killed before that was in force. (Not for the first
# process of a pid namespace: that one ends with what made it.)
descends_from() {
	local pid=$$ key value
	while [ "$pid" != "$1" ]; do
		[ "$pid" -gt 1 ] || return
		while read -r key value; do
			[ "$key" != PPid: ] || pid=$value
		done 2>/dev/null <"/proc/$pid/status" || return
	done
}
[ -z "${RIG_CALLER:-}" ] || [ $$ = 1 ] || descends_from "$RIG_CALLER" || exit 1
export RIG_CALLER=$$

# Processes are dear: the scripts of one VM once started 200, a second and more of a CPU. So
# what is known already, or can be cut out of a name, needs none here.
case "${BASH_SOURCE[0]}" in
[!/]* | */./* | */../* | *//*) VM_DIR=$(CDPATH='' cd -- "${BASH_SOURCE[0]%/*}" && pwd) || exit ;;
*) VM_DIR=${BASH_SOURCE[0]%/*} ;;
esac
REPO=${VM_DIR%/tests/vm}
if [ "$REPO" = "$VM_DIR" ] || [ ! -d "$REPO/tests/vm" ]; then
	echo "$VM_DIR is not tests/vm of the repository" >&2
	exit 1
fi
BUILD=$REPO/build
LOGS=$BUILD/logs
if [ -z "${CACHE:-}" ] || [ "${RIG_CACHE:-}" != "$CACHE" ]; then
	CACHE=$(realpath -m "${CACHE:-${HOME:-/root}/.cache/ttm-pfnmap}") || exit
fi
RIG_CACHE=$CACHE
ALL_KERNELS=(6.1 6.12)
: "${V:=0}" "${TIMEOUT:=1}"
# The script that the user or make called.
: "${RIG_OUTERMOST:=$$}"
export CACHE RIG_CACHE V TIMEOUT RIG_OUTERMOST

say() { printf '%s\n' "$*"; }

# The CPU time, in s, of what this script has started and what has ended.
cpu_seconds() {
	local stat
	read -r stat <"/proc/$$/stat" || stat=') 0'
	# After the name: from the third field on. cutime and cstime are the 16th and 17th.
	read -r -a stat <<<"${stat##*) }"
	echo $(((stat[13] + stat[14]) / 100))
}

die() {
	printf '%s: error: %s\n' "${0##*/}" "$1" >&2
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# kernels_of WORD: the kernels it selects, one a line.
kernels_of() {
	case "${1:-all}" in
	all) printf '%s\n' "${ALL_KERNELS[@]}" ;;
	6.1 | 6.12 | 6.1-rt | 6.1-debug | 6.12-debug) printf '%s\n' "$1" ;;
	*) die "KERNEL=$1 is not known" "use KERNEL=6.1, KERNEL=6.12 or KERNEL=all" ;;
	esac
}

# A debug kernel (6.1-debug, see debug-kernel.sh) is made of the stock one's source;
# 6.1-rt is Debian's PREEMPT_RT flavour.
suite_of() {
	case "${1%-*}" in
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	esac
}

# note_full_disk [LOG]: say so if a disk is full, or was while this was logged.
note_full_disk() {
	local dir full=no
	[ -z "${1:-}" ] || ! grep -qE "No space left on device|don't have enough free space" "$1" || full=yes
	for dir in "$BUILD" "$CACHE"; do
		[ ! -d "$dir" ] || [ "$(free_space "$dir")" -ge 2 ] || full=$dir
	done
	case $full in
	no) return 0 ;;
	yes) full=$BUILD ;;
	esac
	printf 'The disk is full: free some space for %s (make clean, make distclean) and run it again.\n' "$full" >&2
}

# Megabytes.
free_space() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }

# half_made PATH...: what this script makes and must not leave unfinished: not when
# it fails or is stopped, nor when the one before was killed.
half_made() {
	HALF_MADE+=("$@")
	namespace_command
	remove_half_made
}

# In a namespace: a plain user's files are not all his own outside.
remove_half_made() {
	local path
	for path in "${HALF_MADE[@]}"; do
		[ ! -e "$path" ] || "${NS[@]}" rm -rf --one-file-system "$path" || return
	done
}

# end_children PID...: scripts of ours may have something half made, and clean up.
end_children() {
	local pid n scripts=()
	for pid; do
		if [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "bash $VM_DIR/"* ]]; then
			scripts+=("$pid")
			kill -TERM "$pid" || true
		else
			kill -KILL "$pid" || true
		fi
	done
	for ((n = 0; n < 100 && ${#scripts[@]} > 0; n++)); do
		kill -0 "${scripts[@]}" || break
		sleep 0.1
	done
	[ $# -eq 0 ] || kill -KILL "$@" || true
	wait || true
} 2>/dev/null

# Every script ends here, however it ends (but by SIGKILL).
leave() {
	local rc=$? me children=()
	# Stopped in the middle of something. (In a pid namespace /proc may be another's,
	# but there the children end anyway.)
	read -r me _ </proc/self/stat
	[ "$me" != $$ ] || read -r -a children </proc/self/task/$$/children || true
	end_children "${children[@]}"
	if [ $rc -ne 0 ] && { [ "$RIG_OUTERMOST" = $$ ] || [ ${#HALF_MADE[@]} -gt 0 ]; }; then
		note_full_disk
	fi
	remove_half_made || { sleep 1 && remove_half_made; }
}
HALF_MADE=()
trap leave EXIT

show_log_end() {
	printf -- '---- the last lines of %s\n' "$1" >&2
	tail -n 25 "$1" >&2
	printf -- '----\n' >&2
	if grep -qE 'Temporary failure resolving|Could not (connect|resolve)|Failed to fetch' "$1"; then
		printf 'The Debian mirror cannot be reached: is there a network, or a proxy to name in http_proxy?\n' >&2
	fi
	note_full_disk "$1"
}

# step LOG WHAT COMMAND...: run an external command with its output in a log,
# say what is done and how long it took, and stop with the log's end if it fails.
# Not for shell functions: "set -e" would not work in them.
step() {
	local log=$LOGS/$1.log what=$2 start=$SECONDS rc=0
	shift 2
	mkdir -p "${log%/*}"
	printf '  ....   %s\n' "$what"
	if [ "$V" = 1 ]; then
		"$@" </dev/null 2>&1 | tee "$log" || rc=$?
	else
		"$@" </dev/null >"$log" 2>&1 || rc=$?
	fi
	if [ $rc -ne 0 ]; then
		show_log_end "$log"
		die "failed: $what (exit $rc, after $((SECONDS - start)) s)" "the whole log: $log"
	fi
	printf '  %3d s  %s\n' $((SECONDS - start)) "$what"
}

# lock NAME: hold CACHE/NAME.lock until this script ends.
lock() {
	[ -d "${1%/*}" ] || mkdir -p "${1%/*}" || die "cannot make ${1%/*}"
	exec 9>"$1" || die "cannot write $1"
	if ! flock -n 9; then
		say "  ....   waiting for another process that makes ${1%.lock}"
		flock 9
	fi
}

# need_space DIR MEGABYTES WHAT
need_space() {
	local have
	mkdir -p "$1" 2>/dev/null || die "cannot make $1"
	have=$(free_space "$1")
	[ "$have" -ge "$2" ] ||
		die "$3 needs $2 MB in $1, and only $have MB are free" \
			"free some space, or set CACHE=DIR to use another disk"
}

# The command that gives a private mount and pid namespace; nothing in it
# outlives it. A plain user gets a user namespace as well.
namespace_command() {
	NS=(setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child)
	[ "$EUID" -ne 0 ] || return 0
	# Entering the user namespace forgets the death signal: ask for it inside.
	NS=(unshare --user --map-root-user --map-auto "${NS[@]}")
	unshare --user --map-root-user --map-auto true 2>/dev/null ||
		die "a plain user needs user namespaces with sub-ids here" \
			"run make as root, or: install the package uidmap, give yourself a line in" \
			"/etc/subuid and /etc/subgid, and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
}

# find_layers: their hashes, " LAYER=HASH ...", by the outermost script.
find_layers() {
	local packages inputs hash
	RIG_LAYERS='' RIG_LAYERS_OF=$VM_DIR
	for packages in "$VM_DIR"/packages.*; do
		inputs=("$VM_DIR/root.sh" "$VM_DIR/packages.base")
		[ "${packages##*.}" = base ] || inputs+=("$packages")
		read -r hash _ < <(cat "${inputs[@]}" | sha256sum)
		[ -n "$hash" ] || die "cannot read ${inputs[*]}"
		RIG_LAYERS+=" ${packages##*.}=${hash:0:12}"
	done
	export RIG_LAYERS RIG_LAYERS_OF
}
[ "${RIG_LAYERS_OF:-}" = "$VM_DIR" ] || find_layers

# layer_dir LAYER: where the root tree made of these packages stands.
layer_dir() {
	local hash=${RIG_LAYERS#* "$1"=}
	echo "$CACHE/root-$1-${hash%% *}"
}

# need_layer LAYER: its tree is there, or is made.
need_layer() {
	local was=$RIG_LAYERS
	[ ! -d "$(layer_dir "$1")" ] || return 0
	find_layers
	[ "$RIG_LAYERS" = "$was" ] || die "the lists of packages changed while this was running" "run it again"
	"$VM_DIR/root.sh" "$1"
}

# pin_kernel KERNEL: from here on, this script and all it starts mean the packages
# that are current now. A newer version, which another checkout may bring at any
# time, neither replaces nor removes them.
pin_kernel() {
	local base=${1%-debug} pin held
	pin=RIG_KERNEL_${base//[.-]/_}
	if [ -z "${!pin:-}" ]; then
		"$VM_DIR/kernels.sh" "$base"
		export "$pin=$(cat "$CACHE/kernels/$base.current")"
	fi
	[ "$base" = "$1" ] || "$VM_DIR/kernels.sh" "$1"
	{ exec {held}<"$(kernel_dir "$1")" && flock -s "$held" && [ -d "$(kernel_dir "$1")" ]; } ||
		die "the packages of kernel $1 were replaced by newer ones just now" "run it again"
}

has_kernel() { [ -d "$(kernel_dir "$1" 2>/dev/null)" ]; }

# kernel_dir KERNEL: where this kernel's packages are unpacked, or a debug kernel is.
kernel_dir() {
	local base=${1%-debug} pin current key
	current=$CACHE/kernels/$base.current
	pin=RIG_KERNEL_${base//[.-]/_}
	[ -n "${!pin:-}" ] || [ -s "$current" ] ||
		die "the packages of kernel $1 are not there yet" "run: make kernels KERNEL=$base"
	current=${!pin:-$(<"$current")}
	if [ "$base" != "$1" ]; then
		key=$(cat "$VM_DIR"/debug{.config,-kernel.sh} | sha256sum | cut -c1-12)
		current=$1-${current#"$base-"}-$key
	fi
	echo "$CACHE/kernels/$current"
}

# kernel_release KERNEL: what uname -r prints there.
kernel_release() {
	local dir
	dir=$(kernel_dir "$1") || return
	dir=("$dir"/usr/lib/modules/*)
	echo "${dir[0]##*/}"
}

# hash_of PATH...: one hash of the contents and names of files.
hash_of() {
	find "$@" -type f -print0 2>/dev/null | sort -z | xargs -0r sha256sum | sha256sum | cut -c1-16
}
