// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of ttm_pfnmap.c: the names that ttm.pfnmap= takes, opting in, a
 * device's state, and which mappings are let through.
 */
#include "ttm_pfnmap_kunit.h"

/* ---- Names ------------------------------------------------------------- */

#define NAMES_MAX 255

struct names_case {
	const char *names;
	const char *driver;
	bool expect;
};

static void names_desc(const struct names_case *c, char *desc)
{
	int len = snprintf(desc, KUNIT_PARAM_DESC_SIZE, "\"%*pE\"",
			   (int)strlen(c->names), c->names);

	if (c->driver)
		snprintf(desc + len, KUNIT_PARAM_DESC_SIZE - len, " has \"%s\"",
			 c->driver);
}

static const struct names_case names_good[] = {
	{ "amdgpu" },
	{ "amdgpu,radeon" },
	{ "all" },
	{ "amdgpu\n" },
	{ "virtio_gpu,virtio-pci,i915" },
	{ "a" },
	{ "a,b,c" },
};

static const struct names_case names_bad[] = {
	{ "" },
	{ "\n" },
	{ "," },
	{ ",amdgpu" },
	{ "amdgpu," },
	{ "amdgpu,\n" },
	{ "amdgpu,,radeon" },
	{ "amdgpu radeon" },
	{ "amdgpu;radeon" },
	{ "amdgpu, radeon" },
	{ "amd\ngpu" },
	{ "amdgpu\n\n" },
	{ "amd*" },
	{ "../amdgpu" },
	{ "amdgpu=1" },
	{ "\tamdgpu" },
	/* Letters of Latin-1 to the kernel's isalnum(). */
	{ "\xe4" },
	{ "amd\xe4gpu" },
	{ "amdgpu\xff" },
	{ "\xc0,amdgpu" },
	{ "amdgpu\x80" },
};

static const struct names_case names_matches[] = {
	{ "amdgpu", "amdgpu", true },
	{ "amdgpu,radeon", "amdgpu", true },
	{ "amdgpu,radeon", "radeon", true },
	{ "a,b,c", "b", true },
	{ "radeon\n", "radeon", true },
	{ "all", "radeon", true },
	{ "all\n", "radeon", true },
	{ "amdgpu,all", "radeon", true },
	{ "all", "", true },
	{ "", "radeon", false },
	{ "amdgpu", "radeon", false },
	{ "amdgpu,radeon", "rad", false },
	{ "rad", "radeon", false },
	{ "xradeon", "radeon", false },
	{ "allx", "radeon", false },
	{ "al", "radeon", false },
	{ "amdgpu", "", false },
	{ "amdgpu,radeon", "amdgpu,radeon", false },
};

KUNIT_ARRAY_PARAM(names_good, names_good, names_desc);
KUNIT_ARRAY_PARAM(names_bad, names_bad, names_desc);
KUNIT_ARRAY_PARAM(names_matches, names_matches, names_desc);

static void names_check_accepts(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(c->names), 0);
}

static void names_check_refuses(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(c->names), -EINVAL);
}

static void names_check_length(struct kunit *test)
{
	char *names = kunit_kzalloc(test, NAMES_MAX + 2, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, names);
	memset(names, 'a', NAMES_MAX);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(names), 0);
	names[NAMES_MAX] = 'a';
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(names), -ENAMETOOLONG);
}

static void names_match(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_match(c->names, c->driver),
			c->expect);
}

static struct kunit_case names_cases[] = {
	KUNIT_CASE_PARAM(names_check_accepts, names_good_gen_params),
	KUNIT_CASE_PARAM(names_check_refuses, names_bad_gen_params),
	KUNIT_CASE(names_check_length),
	KUNIT_CASE_PARAM(names_match, names_matches_gen_params),
	{}
};

static struct kunit_suite names_suite = {
	.name = "ttm_pfnmap_names",
	.test_cases = names_cases,
};

/* ---- Opting in --------------------------------------------------------- */

static void enable_null(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(NULL), -EINVAL);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(NULL));
}

static void enable_uninitialised(struct kunit *test)
{
	struct ttm_device *bdev =
		kunit_kzalloc(test, sizeof(*bdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bdev);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(bdev), -ENODEV);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(bdev));
}

static void enable_after_fini(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct ttm_device *bdev =
		kunit_kzalloc(test, sizeof(*bdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bdev);
	KUNIT_ASSERT_EQ(test, ttm_device_kunit_init(devs, bdev, false, false),
			0);
	KUNIT_EXPECT_NOT_NULL(test, ttm_pfnmap_dev_find(bdev));
	ttm_device_fini(bdev);
	KUNIT_EXPECT_NULL(test, ttm_pfnmap_dev_find(bdev));
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(bdev), -ENODEV);
}

/* What opting in gives on the machine that the suite runs on. */
static int expected_errno(void)
{
	if (!TTM_PFNMAP_KVM_HEURISTIC)
		return 0;
	return IS_ENABLED(CONFIG_X86) ? 0 : -EOPNOTSUPP;
}

static void enable_elsewhere_is_refused(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	int i;

	if (!expected_errno())
		kunit_skip(test, "opting in is not refused here");
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev),
				expected_errno());
		KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(devs->ttm_dev));
		KUNIT_EXPECT_FALSE(test, ttm_pfnmap_dev_marks(the_dev(test)));
		KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(the_dev(test)),
				   "off");
	}
}

/* A device that was refused has BOs, and nothing of them is ever marked. */
static void refused_device_works(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf;

	if (!expected_errno())
		kunit_skip(test, "opting in is not refused here");
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev),
			expected_errno());
	buf = bo_new_populated(test, 7);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, &buf->tt, VM_MIXEDMAP), 0);
	fork_to(buf, space);

	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&the_dev(test)->pages_marked),
			0);
}

static struct kunit_case optin_cases[] = {
	KUNIT_CASE(enable_null),
	KUNIT_CASE(enable_uninitialised),
	KUNIT_CASE(enable_after_fini),
	KUNIT_CASE(enable_elsewhere_is_refused),
	KUNIT_CASE(refused_device_works),
	{}
};

static struct kunit_suite optin_suite = {
	.name = "ttm_pfnmap_optin",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = device_init,
	.exit = device_exit,
	.test_cases = optin_cases,
};

/* ---- The device's state, and its vm_ops -------------------------------- */

struct state_case {
	const char *name;
	enum ttm_pfnmap_state state;
	bool enabled;
	bool marks;
	bool activates;
	const char *policy;
};

static const struct state_case state_cases[] = {
	{ "off", TTM_PFNMAP_OFF, false, false, false, "off" },
	{ "unneeded", TTM_PFNMAP_UNNEEDED, true, false, true, "none" },
	{ "idle", TTM_PFNMAP_IDLE, true, true, true, "reserved" },
	{ "active", TTM_PFNMAP_ACTIVE, true, true, true, "reserved" },
};

KUNIT_ARRAY_PARAM_DESC(state, state_cases, name);

static void state_decides(struct kunit *test)
{
	const struct state_case *c = test->param_value;
	struct ttm_test_devices *devs = test->priv;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf;

	atomic_set(&dev->state, c->state);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enabled(devs->ttm_dev), c->enabled);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_dev_marks(dev), c->marks);
	KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(dev), c->policy);
	buf = bo_new_populated(test, 3);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), c->marks ? 3 : 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->marks ? 1 : 0);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_dev_activate(dev), c->activates);
	if (c->enabled)
		KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev),
				-EALREADY);
}

static void policy_has_its_name(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);

	KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(dev), "reserved");
	dev->policy = &ttm_pfnmap_counted;
	KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(dev), "counted");
}

static void no_dev_marks_nothing(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_dev_marks(NULL));
}

/* Switched off between a BO's populate and its first fault. */
static void switched_off_marks_nothing(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	atomic_set(&the_dev(test)->state, TTM_PFNMAP_OFF);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	fork_to(buf, space);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 3);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	bo_unpopulate(buf);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&the_dev(test)->pages_retired),
			0);
}

/* ttm.pfnmap= names a driver that opts in by itself as well. */
static void driver_asks_after_parameter(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;

	the_dev(test)->by_parameter = true;
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), 0);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_enabled(devs->ttm_dev));
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), -EALREADY);
}

/* The first mapping switched the mode off before the driver asked. */
static void driver_asks_after_switched_off(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_bo *buf = bo_new_populated(test, 1);

	the_dev(test)->by_parameter = true;
	atomic_set(&the_dev(test)->state, TTM_PFNMAP_OFF);
	KUNIT_EXPECT_LT(test, ttm_pfnmap_enable(devs->ttm_dev), 0);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(devs->ttm_dev));
	bo_unpopulate(buf);
}

static void other_open(struct vm_area_struct *vma)
{
}

static vm_fault_t other_mkwrite(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

struct ops_case {
	const char *name;
	const struct vm_operations_struct ops;
	bool fits;
};

#define TTM_OPS \
	.open = ttm_bo_vm_open, .close = ttm_bo_vm_close, \
	.fault = ttm_bo_vm_fault

static const struct ops_case ops_cases[] = {
	{ "TTM's", { TTM_OPS }, true },
	{ "no open", { .close = ttm_bo_vm_close, .fault = ttm_bo_vm_fault } },
	{ "other open", { .open = other_open, .close = ttm_bo_vm_close } },
	{ "other close", { .open = ttm_bo_vm_open, .close = other_open }, true },
	{ "pfn_mkwrite", { TTM_OPS, .pfn_mkwrite = other_mkwrite } },
	{ "page_mkwrite", { TTM_OPS, .page_mkwrite = other_mkwrite } },
};

KUNIT_ARRAY_PARAM_DESC(ops, ops_cases, name);

static void mmap_checks_the_ops(struct kunit *test)
{
	const struct ops_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_bo *buf = bo_new(test, 3, 0);
	struct vm_area_struct vma;

	vma_fill(&vma, buf, NULL, GOOD_FLAGS);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_IDLE);

	vma.vm_ops = &c->ops;
	atomic_set(&dev->state, TTM_PFNMAP_ACTIVE);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_mmap(&vma, buf->bo), c->fits);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_ACTIVE);

	atomic_set(&dev->state, TTM_PFNMAP_IDLE);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state),
			c->fits ? TTM_PFNMAP_IDLE : TTM_PFNMAP_OFF);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
}

/* A driver may make mappings that ttm_pfnmap_mmap() never sees. */
static void fault_checks_the_ops(struct kunit *test)
{
	const struct ops_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);
	struct vm_area_struct vma;

	vma_fill(&vma, buf, space->mm, GOOD_FLAGS);
	vma.vm_ops = &c->ops;
	KUNIT_EXPECT_EQ(test, fault_locked(buf, &vma, &buf->tt), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state),
			c->fits ? TTM_PFNMAP_ACTIVE : TTM_PFNMAP_OFF);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), c->fits ? 3 : 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->fits ? 1 : 0);

	atomic_set(&dev->state, TTM_PFNMAP_ACTIVE);
	KUNIT_EXPECT_EQ(test, fault_locked(buf, &vma, &buf->tt),
			c->fits ? 0 : VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->fits ? 1 : 0);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE_PARAM(state_decides, state_gen_params),
	KUNIT_CASE(policy_has_its_name),
	KUNIT_CASE(no_dev_marks_nothing),
	KUNIT_CASE(switched_off_marks_nothing),
	KUNIT_CASE(driver_asks_after_parameter),
	KUNIT_CASE(driver_asks_after_switched_off),
	KUNIT_CASE_PARAM(mmap_checks_the_ops, ops_gen_params),
	KUNIT_CASE_PARAM(fault_checks_the_ops, ops_gen_params),
	{}
};

static struct kunit_suite device_suite = {
	.name = "ttm_pfnmap_device",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = opted_in_init,
	.exit = device_exit,
	.test_cases = device_cases,
};

kunit_test_suites(&names_suite, &optin_suite, &device_suite);

MODULE_DESCRIPTION("KUnit suites of TTM's PFNMAP mode: opting in");
MODULE_LICENSE("GPL");
