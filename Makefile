# SPDX-License-Identifier: GPL-2.0-only

KERNEL  ?= all
V       ?= 0
CACHE   ?= $(HOME)/.cache/ttm-pfnmap
TIMEOUT ?= 1

KNOWN   := 6.1 6.12
KERNELS := $(if $(filter all,$(KERNEL)),$(KNOWN),$(filter $(KNOWN),$(KERNEL)))
ifneq ($(words $(KERNEL)) $(words $(KERNELS)),1 $(if $(filter all,$(KERNEL)),$(words $(KNOWN)),1))
$(error KERNEL=$(KERNEL) is not known: use KERNEL=6.1, KERNEL=6.12 or KERNEL=all)
endif
ifneq ($(words $(shell echo '$(TIMEOUT)' | grep -x '[1-9][0-9]*')),1)
$(error TIMEOUT=$(TIMEOUT) is not a whole number of 1 or more)
endif
export V CACHE TIMEOUT
# What make demo counts its time from.
export RIG_START := $(shell date +%s)

# A recipe is one command without a shell around it: so a script notices when
# make is killed, and ends with all it started.
vm := tests/vm
script = $(or $(wildcard $(vm)/$(1).sh),$(error make $(1) does not exist yet))

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@printf '%s\n' '' 'KERNEL=6.1, 6.12 or all (now: $(KERNEL))' \
		'V=1          show everything the steps print' \
		'CACHE=DIR    where the root tree and the kernels are kept (now: $(CACHE))' \
		'TIMEOUT=N    give virtual machines N times as long before they count as hung'

demo: $(KERNELS:%=kernels-%) ## before and after: a KVM guest in a TTM buffer; Vulkan in a window too small
	@$(call script,demo) $(KERNELS)
	@$(call script,demo-blobs) $(KERNELS)

check: ## the tests, on every kernel; JUnit in build/results
	@$(vm)/check.sh $(KERNELS)

check-long: ## the hazards, for hours; writes the tables in Documentation/
	@$(vm)/check-long.sh $(KERNELS)

check-debug: ## the suites on kernels with KASAN, lockdep and fault injection
	@$(vm)/check.sh debug $(KERNELS)

check-intel: ## the suites of KVM on an Intel CPU (EPT, nested VMX), in Bochs
	@$(vm)/check.sh intel $(KERNELS)

bench: $(KERNELS:%=modules-%) ## what the mode costs, in instructions, faults and exits
	@$(call script,bench) $(KERNELS)
	@$(call script,bench-blobs) $(KERNELS)

style: ## the style checks alone
	@$(vm)/style.sh $(KERNELS)

format: ## put all C files into the kernel's format
	@$(vm)/format.sh

abi: $(KERNELS:%=abi-%) ## our ttm.ko against the stock one: symbol CRCs, struct layouts

kunit: ## the KUnit suites on UML
	@$(call script,kunit)

modules: $(KERNELS:%=modules-%) ## build ttm.ko with the mode, and the test modules

root: ## make the Debian 13 tree that holds every tool
	@$(vm)/root.sh base

kernels: $(KERNELS:%=kernels-%) ## fetch the stock kernels, their headers and source

shell: ## a shell inside the tree, with one kernel's headers in place
	@env IN_KERNEL=$(firstword $(KERNELS)) IN_LAYER=$(or $(LAYER),base) $(vm)/in-root.sh bash

clean: ## remove build/
	@$(vm)/clean.sh

distclean: ## remove build/ and the cache
	@$(vm)/clean.sh cache

abi-%:
	@$(vm)/abi.sh $*
modules-%: kernels-%
	@$(vm)/overlay.sh $*
kernels-%: root
	@$(vm)/kernels.sh $*

.PHONY: help demo check check-long check-debug check-intel bench style format abi kunit modules root kernels shell clean distclean
