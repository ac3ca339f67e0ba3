# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The CPU of a benchmark: one, one tick an instruction, nothing random.

# shellcheck disable=SC2034
BENCH_CPU="-accel tcg,thread=single -cpu max,-rdrand,-rdseed -smp 1 -icount shift=0,sleep=off"
BENCH_CPU+=" -rtc base=2026-01-01,clock=vm -seed 1"
