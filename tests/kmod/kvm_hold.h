/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * /dev/kvm_hold: hold a guest page as nested virtualisation does, for tests.
 *
 * One open file holds at most one page. The page is KVM's to give back: the
 * file keeps the vCPU, hence the VM, alive until UNMAP or the file's end.
 */
#ifndef KVM_HOLD_H
#define KVM_HOLD_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct kvm_hold_map - kvm_vcpu_map() of one page
 * @gfn: guest frame number
 * @vcpu_fd: a vCPU of a VM of the calling process, which is not running.
 *	-EBADF if it is none, -EBUSY if this file holds a page already, -EINVAL
 *	if KVM refuses the page.
 * @pad: 0
 */
struct kvm_hold_map {
	__u64 gfn;
	__s32 vcpu_fd;
	__u32 pad;
};

#define KVM_HOLD_RESERVED	0x1	/* PG_reserved is set */

/**
 * struct kvm_hold_state - what struct page says of the held page now
 * @pfn: returned
 * @count: returned page_count()
 * @flags: returned KVM_HOLD_*
 */
struct kvm_hold_state {
	__u64 pfn;
	__s32 count;
	__u32 flags;
};

/* Without a held page everything but MAP is -ENXIO. */
#define KVM_HOLD_MAP	_IOW('H', 0x70, struct kvm_hold_map)
/* Fill the page with this byte, through KVM's mapping. */
#define KVM_HOLD_POKE	_IO('H', 0x71)
/* kvm_vcpu_unmap(); the argument says whether the page is to be made dirty. */
#define KVM_HOLD_UNMAP	_IO('H', 0x72)
#define KVM_HOLD_STATE	_IOR('H', 0x73, struct kvm_hold_state)

#endif
