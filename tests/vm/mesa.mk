# SPDX-License-Identifier: GPL-2.0-only
#
# Run inside the tree gpu by build-mesa.sh: every tests/mesa/*.c is one program.

src := /src/tests/mesa
out := /build/mesa

CFLAGS := -O2 -g -Wall -Wextra -Werror
LDLIBS := -lvulkan -lEGL -lGLESv2

all: $(patsubst $(src)/%.c,$(out)/%,$(wildcard $(src)/*.c))

$(out)/%: $(src)/%.c $(wildcard $(src)/*.h)
	@mkdir -p $(@D)
	gcc $(CFLAGS) -o $@ $< -Wl,--as-needed $(LDLIBS)
