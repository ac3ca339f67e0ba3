#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh: TTM's own KUnit suites, and ours, against our TTM, on UML from the
# source of kernel 6.12 (6.1 has no suites). Prints lines PASS|FAIL|SKIP NAME
# MESSAGE, on a terminal only those that did not pass. All of them, and the
# kernels' logs, are in build/kunit/. A second kernel has no modules, and TTM all
# the same.
# The kernels stay in the cache: a second run compiles what changed.

. "${0%/*}/lib.sh" || exit

KERNEL=6.12
CC=gcc-14
# Results of TTM's own suites in 6.12, parameters counted one by one.
TTM_RESULTS=102
# What opting in must say on UML.
REASON='the mode is for x86-64 alone'

OUT=$BUILD/kunit
OURS=$REPO/drivers/gpu/drm/ttm/tests

# Results are read by others, so progress goes elsewhere.
exec 3>&1 1>&2

options() {
	cat <<-'END'
		CONFIG_KUNIT=y
		CONFIG_DRM=y
		CONFIG_DRM_TTM_KUNIT_TEST=y
		# DRM needs DMA, which UML has only with PCI; without an ID that WARNs.
		CONFIG_VIRTIO_UML=y
		CONFIG_UML_PCI_OVER_VIRTIO=y
		CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID=1234
		# As on every distribution; see without_modules.
		CONFIG_MODULES=y
		CONFIG_MODULE_UNLOAD=y
		CONFIG_DEBUG_FS=y
		# What finds mistakes that no test asks about.
		CONFIG_DEBUG_KERNEL=y
		CONFIG_DEBUG_VM=y
		CONFIG_DEBUG_VM_PGFLAGS=y
		CONFIG_DEBUG_LIST=y
		CONFIG_DEBUG_ATOMIC_SLEEP=y
		CONFIG_PROVE_LOCKING=y
		CONFIG_PROVE_RCU=y
		CONFIG_SLUB_DEBUG=y
		CONFIG_SLUB_DEBUG_ON=y
		CONFIG_PAGE_POISONING=y
		# Half the time to build it.
		CONFIG_EXPERT=y
		# CONFIG_BLOCK is not set
		# CONFIG_INPUT_MOUSE is not set
		# CONFIG_INPUT_KEYBOARD is not set
		# CONFIG_SERIO is not set
		# CONFIG_HWMON is not set
		# CONFIG_USB_SUPPORT is not set
		# CONFIG_HID_SUPPORT is not set
		# CONFIG_HW_RANDOM is not set
		# CONFIG_CRYPTO is not set
		# CONFIG_SOUND is not set
		# CONFIG_VT is not set
		# CONFIG_DEBUG_INFO is not set
	END
}

# For the kernel in which VFIO is there from the beginning, or never.
without_modules() { sed 's/^\(CONFIG_MODULE[A-Z_]*\)=y/# \1 is not set/'; }

# Nothing that can be chosen on UML selects MMU notifiers at a bearable price.
kconfig() {
	cat "$1"
	cat <<-'END'

		config DRM_TTM_PFNMAP_KUNIT_TEST
			def_bool y
			depends on DRM_TTM_KUNIT_TEST
			select MMU_NOTIFIER
	END
}

# put FILE < TEXT: write a file, unless it holds this text.
put() {
	cat >"$1.new"
	if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# copy FROM TO: the sources of a directory, leaving equal ones alone.
copy() {
	local file
	for file in "$1"/*.[ch]; do
		case "$file" in
		*.mod.c) ;;
		*) put "$2/${file##*/}" <"$file" ;;
		esac
	done
}

# The parts of the source that UML does not reach take two thirds of it.
unpack() {
	half_made "$tree.tmp"
	need_space "$CACHE" 1500 "the UML kernel"
	mkdir -p "$tree.tmp"
	IN_CACHE=1 IN_KERNEL=$KERNEL IN_LAYER=check step kunit-unpack "unpack the source of $name for UML" \
		"$VM_DIR/in-root.sh" tar -x -I 'xz -dT2' -f "/usr/src/linux-source-$KERNEL.tar.xz" \
		-C "/cache/${tree#"$CACHE"/}.tmp" --strip-components=1 --no-same-owner --anchored \
		--wildcards --wildcards-match-slash --exclude='*/Documentation/*.*' \
		--exclude='*/arch/[a-t]*/*.*' --exclude='*/tools/testing/*' \
		--exclude='*/drivers/gpu/drm/amd/*.[ch]' --exclude='*/drivers/gpu/drm/i915/*.[ch]' \
		--exclude='*/drivers/gpu/drm/nouveau/*.[ch]' --exclude='*/drivers/gpu/drm/radeon/*.[ch]' \
		--exclude='*/drivers/gpu/drm/msm/*.[ch]' --exclude='*/drivers/gpu/drm/xe/*.[ch]' \
		--exclude='*/drivers/net/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
		--exclude='*/drivers/staging/*.[ch]' --exclude='*/sound/*.[ch]'
	mkdir "$tree.tmp/stock"
	cp "$tree.tmp/drivers/gpu/drm/Kconfig" "$tree.tmp/drivers/gpu/drm/ttm/tests/Makefile" "$tree.tmp/stock/"
	mv -T "$tree.tmp" "$tree"
}

# The same sources as in the module, hooks included, and our suites.
overlay() {
	local from=$BUILD/$KERNEL/ttm to=$tree/drivers/gpu/drm/ttm file
	for file in "$to"/ttm_pfnmap* "$to"/tests/ttm_pfnmap*; do
		case "$file" in
		*.[ch]) [ -f "$from/${file##*/}" ] || [ -f "$OURS/${file##*/}" ] || rm "$file" ;;
		esac
	done
	copy "$from" "$to"
	copy "$from/include/drm/ttm" "$tree/include/drm/ttm"
	{
		cat "$from/Makefile"
		echo "obj-\$(CONFIG_DRM_TTM_KUNIT_TEST) += tests/"
	} | put "$to/Makefile"
	{
		cat "$tree/stock/Makefile"
		for file in "$OURS"/ttm_pfnmap*; do
			case "$file" in
			*.c) put "$to/tests/${file##*/}" <"$file" && file=${file##*/} &&
				echo "obj-\$(CONFIG_DRM_TTM_KUNIT_TEST) += ${file%.c}.o" ;;
			*.h) put "$to/tests/${file##*/}" <"$file" ;;
			esac
		done
	} | put "$to/tests/Makefile"
	kconfig "$tree/stock/Kconfig" | put "$tree/drivers/gpu/drm/Kconfig"
}

kmake() {
	local log=$1 what=$2
	shift 2
	IN_CACHE=1 IN_LAYER=check step "$log" "$what" "$VM_DIR/in-root.sh" nice -n 4 make \
		-C "/cache/${tree#"$CACHE"/}" "O=/cache/${objects#"$CACHE"/}" ARCH=um "CC=$CC" "HOSTCC=$CC" "$@"
}

# configure: with the options on standard input.
configure() {
	local option
	mkdir -p "$objects"
	cat >"$objects/options.new"
	if ! cmp -s "$objects/options.new" "$objects/options" || [ ! -f "$objects/.config" ]; then
		rm -f "$objects/options"
		cp "$objects/options.new" "$objects/.config"
		kmake kunit-config "configure it" olddefconfig
		while read -r option; do
			grep -qx "$option" "$objects/.config" || die "the kernel does not take $option"
		done < <(grep '^CONFIG_' "$objects/options.new"; echo CONFIG_MMU_NOTIFIER=y)
		mv "$objects/options.new" "$objects/options"
	fi
}

# uml LOG ARGS...: run the kernel, which ends by itself when the suites did.
# Without address randomisation: UML takes the gap that it makes as memory.
uml() {
	local log=$1 rc=0 start=$SECONDS
	shift
	say "  ....   run the suites${*:+ $*}"
	IN_CACHE=1 IN_LAYER=check "$VM_DIR/in-root.sh" timeout -k 5 "$seconds" setarch -R \
		"/cache/${objects#"$CACHE"/}/vmlinux" mem=512M console=tty \
		kunit_shutdown=halt "$@" </dev/null >"$log" 2>&1 || rc=$?
	sed -i 's/\r$//' "$log"
	printf '  %3d s  run the suites%s\n' $((SECONDS - start)) "${*:+ $*}"
	return $rc
}

# boot NAME ARGS...: seen once, on a busy machine: UML aborted (134) after its kernel had
# halted, when all suites had ended. Such a run is made again, and the third's failure stays.
boot() {
	local log=$OUT/$1.console rc try seconds=$((120 * TIMEOUT))
	shift
	rm -f "$log".try-*
	for try in 1 2 3; do
		rc=0
		uml "$log" "$@" || rc=$?
		if [ $rc != 134 ] || [ $try = 3 ] || [ "$(grep -a . "$log" | tail -n 1)" != 'reboot: System halted' ]; then
			break
		fi
		cp "$log" "$log.try-$try"
		echo "SKIP try-$try UML aborted after its kernel had halted" >&3
	done
	case $rc in
	0) ;;
	124 | 137) echo "FAIL uml-ends UML hung and was stopped after $seconds s; slow machine? try TIMEOUT=3" >&3 ;;
	*) echo "FAIL uml-ends UML died with $rc: $(tail -n 1 "$log")" >&3 ;;
	esac
}

# KTAP on stdin; result lines. A case with parameters is its parameters.
parse() {
	awk '
	function flat(text) { gsub(/[^A-Za-z0-9_.,+*=<>\/()"-]+/, "_", text); return text }
	# Two names may look the same when they are flat.
	function own(name) { return name (reported[name]++ ? "#" reported[name] : "") }
	function report(verdict, name, text) {
		print verdict, own(flat(name)), verdict == "PASS" ? "" : text
		leaves++
		failures += verdict == "FAIL"
	}
	{ sub(/^\[ *[0-9.]+\] ?/, "") }
	!/^ *((not )?ok [0-9]|#|KTAP|1\.\.[0-9])/ { if (length(notes) < 600) notes = notes " " $0; next }
	{ match($0, /^ */); depth = RLENGTH / 4; line = substr($0, RLENGTH + 1) }
	line ~ /^# Subtest: / {
		title[depth] = substr(line, 12); done[depth] = 0; leavesAt[depth] = leaves; failuresAt[depth] = failures
		notes = ""
		next
	}
	line ~ /^1\.\./ { plan[depth] = substr(line, 4) + 0; done[depth] = 0; next }
	line ~ /^#/ { if (line ~ /FAILED|ASSERT|EXPECT|crash|timed out/) notes = notes " " line; next }
	line ~ /^(not )?ok / {
		verdict = line ~ /^not/ ? "FAIL" : "PASS"
		name = line; sub(/^(not )?ok [0-9]+ ?/, "", name)
		if (name ~ /# SKIP/) { verdict = "SKIP"; notes = name; sub(/.*# SKIP */, "", notes); sub(/ *# SKIP.*/, "", name) }
		done[depth]++
		if (depth == 0) {
			if (done[1] != plan[1])
				report("FAIL", name, "only " done[1] " of its " plan[1] " cases ended")
			else if (verdict == "FAIL" && failures == failuresAt[1])
				report("FAIL", name, notes)
		} else if (depth == 1 && title[2] == name && leaves > leavesAt[2]) {
			if (verdict == "FAIL" && failures == failuresAt[2])
				report("FAIL", title[1] "." name, notes)
			title[2] = ""
		} else if (depth == 1) {
			report(verdict, title[1] "." name, notes)
		} else {
			report(verdict, title[1] "." title[2] "." name, notes)
		}
		notes = ""
	}
	END {
		if (!plan[0] || done[0] != plan[0])
			report("FAIL", "kunit-ends", "only " done[0] + 0 " of " plan[0] + 0 " suites ended")
	}'
}

# TTM's own suites try out two of TTM's warnings; each is expected once.
ANNOUNCED='WARNING: .* ttm_device_init\+|WARNING: .* ttm_bo_reserve_no_wait_ticket\+'

# What our suites make the mode say, most of it once a boot.
COMPLAINTS='do not look as they were left
not as the TTM pool hands them out
a mapping is not VM_PFNMAP
cannot get fresh pages instead of reused'

# The log without the traces that were announced.
unannounced() {
	awk -v announced="$ANNOUNCED" '
	/-\[ cut here \]-/ { cut = $0; next }
	cut != "" {
		what = $0
		sub(/^.* /, "", what)
		sub(/\+.*/, "", what)
		hide = $0 ~ announced && !seen[what]++
		if (!hide)
			print cut
		cut = ""
	}
	!hide
	/-\[ end trace / { hide = 0 }' "$1"
}

# The cases that suites name in their tables.
cases_in() { cat "$@" | grep -oE 'KUNIT_CASE[A-Z_]*\([a-z0-9_]+' | sed 's/.*(//' | sort -u; }

# judge NAME: what must be true of a whole run.
judge() {
	local results=$OUT/$1.results log=$OUT/$1.console own missing refusals splats
	own=$(grep -v ' ttm_pfnmap' "$results" | grep -c '^PASS ttm_' || true)
	if [ "$own" -ge $TTM_RESULTS ]; then
		echo "PASS ttm-own-suites"
	else
		echo "FAIL ttm-own-suites $own of TTM's own results passed, $TTM_RESULTS must"
	fi
	missing=$(comm -23 <(cases_in "$tree"/drivers/gpu/drm/ttm/tests/*.c) \
		<(sed 's/^[A-Z]* [a-z0-9_]*\.\([a-z0-9_]*\).*/\1/' "$results" | sort -u) | xargs)
	if [ -z "$missing" ]; then
		echo "PASS every-case-ran"
	else
		echo "FAIL every-case-ran no result of: $missing"
	fi
	# The device opts in by the call, and before that by the parameter, if there is one.
	refusals=$(grep -c "refused_device_works\..*: $REASON" "$log" || true)
	if [ "$refusals" = 1 ]; then
		echo "PASS refusal-says-why-once"
	else
		echo "FAIL refusal-says-why-once $refusals lines of the log, not 1, hold: $REASON"
	fi
	if [ "$(grep -cF "do not look as they were left" "$log")" = 1 ]; then
		echo "PASS i2-leak-warns-once"
	else
		echo "FAIL i2-leak-warns-once $(grep -cF "do not look as they were left" "$log") warnings of leaked pages"
	fi
	unannounced "$log" >"$log.scanned"
	if splats=$("$VM_DIR/scan-log.sh" "$log.scanned" <(echo "$COMPLAINTS")); then
		echo "PASS kernel-log"
	else
		echo "FAIL kernel-log $(grep -v 'cut here' <<<"$splats" | sed 's/^[^:]*:[0-9]*: //; q')"
	fi
}

# suites NAME ARGS...: one boot and its results.
suites() {
	local name=$1
	boot "$@" 3>"$OUT/$name.results"
	parse <"$OUT/$name.console" >>"$OUT/$name.results"
	judge "$name" >"$OUT/$name.judged"
	sed "s/^\([A-Z]* \)/\1$name./" "$OUT/$name.results" "$OUT/$name.judged" >>"$OUT/results"
	rm "$OUT/$name.judged"
}

pin_kernel $KERNEL
"$VM_DIR/overlay.sh" $KERNEL
name=$(basename "$(kernel_dir $KERNEL)")
tree=$CACHE/kunit/$name/linux
lock "$CACHE/kunit/lock"
for old in "$CACHE"/kunit/*/; do
	[ "$old" = "$CACHE/kunit/$name/" ] || rm -rf --one-file-system "$old"
done
[ -d "$tree" ] || unpack
overlay
need_space "$BUILD" 50 "what UML prints"
mkdir -p "$OUT"
: >"$OUT/results"

objects=$CACHE/kunit/$name/objects
options | configure
kmake kunit-build "build UML with TTM and its suites" "-j$(nproc)" vmlinux
suites plain
# A device that the administrator named, and that is refused, is a stock one.
suites refused ttm.pfnmap=all

objects=$CACHE/kunit/$name/objects-without-modules
options | without_modules | configure
kmake kunit-build-without-modules "build UML without modules" "-j$(nproc)" vmlinux
suites without-modules

if [ -t 3 ]; then grep -v '^PASS ' "$OUT/results" >&3 || true; else cat "$OUT/results" >&3; fi
passed=$(grep -c '^PASS ' "$OUT/results" || true)
failed=$(grep -c '^FAIL ' "$OUT/results" || true)
say "  kunit: $passed passed, $failed failed; all of them: $OUT/results"
[ "$failed" -eq 0 ]
