// SPDX-License-Identifier: GPL-2.0-only
//
// Where stock TTM calls the PFNMAP mode (ttm_pfnmap_internal.h says what each
// call is for). A rule is named for the function it is about. A rule that does
// not match is silent, so each prints "HOOK <rule>" for every match, and the
// build compares with hooks.expect.

@initialize:python@
@@

def hook(name):
    print("HOOK %s" % name)

// ---- ttm_device.c: the side table follows the life of a device.

@device_init@
identifier bdev;
position p;
@@
 int ttm_device_init(struct ttm_device *bdev, ...)
 {
 ...
+ttm_pfnmap_device_init(bdev);
 return 0;@p
 }

@script:python@
p << device_init.p;
@@
hook("device_init")

@device_fini@
identifier bdev;
position p;
@@
 void ttm_device_fini(struct ttm_device *bdev)
 {
 ...
+ttm_pfnmap_device_fini(bdev);
 ttm_pool_fini(&bdev->pool);@p
 ...
 }

@script:python@
p << device_fini.p;
@@
hook("device_fini")

// ---- ttm_tt.c: the record is made before the pages and goes with the ttm_tt.

@populate@
identifier bdev, ttm, ctx, ret, error;
statement S1, S2;
position p;
@@
 int ttm_tt_populate(struct ttm_device *bdev, struct ttm_tt *ttm,
		     struct ttm_operation_ctx *ctx)
 {
 ...
+ret = ttm_pfnmap_prepare(bdev, ttm);
+if (ret)
+	goto error;
+
 if@p (bdev->funcs->ttm_tt_populate)
	S1
 else
	S2
 if (ret) goto error;
 ...
 }

@script:python@
p << populate.p;
@@
hook("populate")

@tt_fini@
identifier ttm;
position p;
@@
 void ttm_tt_fini@p(struct ttm_tt *ttm)
 {
+ttm_pfnmap_tt_fini(ttm);
+
 ...
 }

@script:python@
p << tt_fini.p;
@@
hook("tt_fini")

// ---- ttm_bo.c, ttm_tt.c: whose BO it is.

@bo_create@
identifier bo, ctx;
expression placement;
identifier ret;
position p;
@@
 int ttm_bo_init_reserved(..., struct ttm_buffer_object *bo, ...,
			  struct ttm_operation_ctx *ctx, ...)
 {
 ...
-ret = ttm_bo_validate@p(bo, placement, ctx);
+ret = ttm_pfnmap_bo_create(bo, placement, ctx);
 ...
 }

@script:python@
p << bo_create.p;
@@
hook("bo_create")

@tt_create@
identifier bo;
expression tt;
position p;
@@
 bo->ttm = tt;
 if@p (unlikely(bo->ttm == NULL))
	return -ENOMEM;
+ttm_pfnmap_tt_created(bo);

@script:python@
p << tt_create.p;
@@
hook("tt_create")

// ---- ttm_pool.c: where pages would change owner.

@pool_free@
expression pool, tt, end;
position p;
@@
 ttm_pool_free_range@p(pool, tt, tt->caching,
-			 0,
+			 ttm_pfnmap_retire(pool, tt),
			 end)

@script:python@
p << pool_free.p;
@@
hook("pool_free")

@pool_alloc@
identifier pool, tt, dma_addr;
position p;
@@
 int ttm_pool_alloc(struct ttm_pool *pool, struct ttm_tt *tt, ...)
 {
 ...
 WARN_ON(dma_addr && !pool->dev);@p
+
+ttm_pfnmap_reuse(pool, tt, &num_pages, &pages, &dma_addr);
+caching = pages;
 ...
 }

@script:python@
p << pool_alloc.p;
@@
hook("pool_alloc")

// ---- ttm_device.c, ttm_bo.c: who is swapped out when memory is short.

@pressure@
expression bdev, ctx, gfp;
identifier ret;
position p;
@@
+ttm_pfnmap_pressure(current);
 ret = ttm_device_swapout@p(bdev, ctx, gfp);
+ttm_pfnmap_pressure(NULL);

@script:python@
p << pressure.p;
@@
hook("pressure")

@victim@
identifier bo;
position p;
@@
-bo->ttm->page_flags & TTM_TT_FLAG_SWAPPED@p
+(bo->ttm->page_flags & TTM_TT_FLAG_SWAPPED || ttm_pfnmap_keeps(bo))

@script:python@
p << victim.p;
@@
hook("victim")

// ---- ttm_bo_vm.c: every way for a PTE to come to be.

@fault@
typedef vm_fault_t, pgprot_t, pgoff_t;
identifier vmf, prot, num_prefault, vma, ttm, ret, i;
statement S;
position p;
@@
 vm_fault_t ttm_bo_vm_fault_reserved(struct vm_fault *vmf, pgprot_t prot,
				     pgoff_t num_prefault)
 {
 ...
 struct vm_area_struct *vma = vmf->vma;
 ...
 struct ttm_tt *ttm = NULL;
 ...
 vm_fault_t ret = VM_FAULT_NOPAGE;
 ...
+ret = ttm_pfnmap_fault(vma, ttm);
+if (unlikely(ret))
+	return ret;
+
 for@p (i = 0; i < num_prefault; ++i)
	S
 ...
 }

@script:python@
p << fault.p;
@@
hook("fault")

@vm_open@
identifier vma, bo;
position p;
@@
 void ttm_bo_vm_open(struct vm_area_struct *vma)
 {
 ...
 ttm_bo_get(bo);@p
+ttm_pfnmap_vm_open(vma);
 }

@script:python@
p << vm_open.p;
@@
hook("vm_open")

@mmap@
identifier vma, bo;
position p;
@@
 int ttm_bo_mmap_obj(struct vm_area_struct *vma, struct ttm_buffer_object *bo)
 {
 ...
+if (!ttm_pfnmap_mmap(vma, bo))
+	return -EOPNOTSUPP;
+
 ttm_bo_get(bo);@p
 ...
 }

@script:python@
p << mmap.p;
@@
hook("mmap")

// ---- ttm_bo_util.c: the one path that gives mapped pages back.

@gutting@
identifier bo, ret;
position p;
@@
 int ttm_bo_pipeline_gutting@p(struct ttm_buffer_object *bo)
 {
 ...
 int ret;
+
+ttm_pfnmap_gutting(bo);
 ...
 }

@script:python@
p << gutting.p;
@@
hook("gutting")

// ---- Each file that was changed gets the declarations.

@module_header depends on device_init || populate || pool_free || victim@
@@
 #include "ttm_module.h"
+#include "ttm_pfnmap_internal.h"

@script:python depends on module_header@
@@
hook("module_header")

@vm_header depends on fault@
@@
 #include <drm/drm_managed.h>
+#include "ttm_pfnmap_internal.h"

@script:python depends on vm_header@
@@
hook("vm_header")

@util_header depends on gutting@
@@
 #include <drm/ttm/ttm_placement.h>
+#include "ttm_pfnmap_internal.h"

@script:python depends on util_header@
@@
hook("util_header")
