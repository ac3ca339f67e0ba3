#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# picture.sh TEXT PNG: run inside the tree gpu by demo-blobs.sh. TEXT is a title, then
# for each half its title and a character for each buffer: v every word verified, m
# mapped, w a wrong word, - not mapped.

set -euo pipefail
text=$1 png=$2
dir=$(mktemp -d)

label() { pbmtext -nomargins "$1" | pnmpad -white -left=6 -top=6 -bottom=4 -right=6 2>/dev/null; }

# cells BUFFERS: twenty in a row.
cells() {
	awk -v all="$1" -v columns=20 -v side=18 -v gap=3 'BEGIN {
		split("v m w -", states); split("46,160,67 230,170,40 207,34,46 216,222,228", colours)
		for (i in states) colour[states[i]] = colours[i]
		n = length(all); rows = int((n + columns - 1) / columns); pitch = side + gap
		width = columns * pitch + gap
		print "P3", width, rows * pitch + gap, 255
		for (y = 0; y < rows * pitch + gap; y++)
			for (x = 0; x < width; x++) {
				at = int(x / pitch) + int(y / pitch) * columns + 1
				inside = x % pitch >= gap && y % pitch >= gap && at <= n
				rgb = inside ? colour[substr(all, at, 1)] : "255,255,255"
				gsub(",", " ", rgb)
				print rgb
			}
	}'
}

{
	read -r title
	label "$title" >"$dir/0.pnm"
	for half in 1 2; do
		read -r title
		read -r buffers
		label "$title" >"$dir/$half.1.pnm"
		cells "$buffers" >"$dir/$half.2.pnm"
	done
} <"$text"
label "green: every word verified   yellow: mapped   red: wrong data   grey: no mapping" >"$dir/3.pnm"
pnmcat -white -topbottom -jleft "$dir"/0.pnm "$dir"/1.*.pnm "$dir"/2.*.pnm "$dir"/3.pnm |
	pnmpad -white -left=8 -right=8 -top=8 -bottom=8 | pnmtopng >"$png.tmp"
mv "$png.tmp" "$png"
rm -r "$dir"
