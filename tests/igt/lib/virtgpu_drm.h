/* SPDX-License-Identifier: MIT */
/*
 * An IGT tree has its own copy of this header, under this name; here it is the
 * system's.
 */
#include <drm/virtgpu_drm.h>
