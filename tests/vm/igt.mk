# SPDX-License-Identifier: GPL-2.0-only
#
# Run inside the root tree by build-igt.sh: every tests/igt/*.c is one test
# program, linked with everything in tests/igt/lib and Debian's libigt.

src := /src/tests/igt
out := /build/igt
obj := $(out)/obj

libs  := $(patsubst $(src)/lib/%.c,$(obj)/lib/%.o,$(wildcard $(src)/lib/*.c))
tests := $(patsubst $(src)/%.c,$(out)/%,$(wildcard $(src)/*.c))
# Programs of the demo, the benchmark and the guest scripts; no tests by themselves.
tools := $(patsubst $(src)/tools/%.c,/build/tools/%,$(wildcard $(src)/tools/*.c))
# What is loaded before a program's own libraries.
tools += $(patsubst $(src)/preload/%.c,/build/tools/%.so,$(wildcard $(src)/preload/*.c))

CFLAGS := -O2 -g -Wall -Wextra -Werror -MMD -MP -I$(src)/lib -I$(src) \
	-I/src/drivers/gpu/drm/ttm/tests -I/src/tests/kmod -D_GNU_SOURCE $(shell pkg-config --cflags libdrm)
LDLIBS := -ligt $(shell pkg-config --libs libdrm) -lpthread

all: $(tests) $(tools)
	@for old in $(filter-out $(tests),$(wildcard $(out)/*)); do \
		[ ! -f $$old ] || rm -v $$old; done

$(obj)/%.o: $(src)/%.c
	@mkdir -p $(@D)
	gcc $(CFLAGS) -c -o $@ $<

$(out)/%: $(obj)/%.o $(libs)
	gcc -o $@ $^ $(LDLIBS)

/build/tools/%: $(obj)/tools/%.o $(libs)
	@mkdir -p $(@D)
	gcc -o $@ $^ $(LDLIBS)

/build/tools/%.so: $(src)/preload/%.c
	@mkdir -p $(@D)
	gcc $(filter-out -MMD -MP,$(CFLAGS)) -shared -fPIC -o $@ $<

.SECONDARY:
-include $(wildcard $(obj)/*.d $(obj)/lib/*.d $(obj)/tools/*.d)
