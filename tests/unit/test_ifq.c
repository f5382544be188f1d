/* SPDX-License-Identifier: MIT */
/*
 * test_ifq.c - rings with large completions, and the refill ring of an interface queue.
 *
 * Theory: the host's kernel makes large completions of no-ops: both layouts are read, thousands of
 *	them, through many ends of the array, where fillers stand.  A registration needs a NIC,
 *	which the VM has; here the refill ring lies in plain memory, and a model of the kernel takes
 *	from it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <weir/weir.h>

#include "ring/ifq.h"
#include "t.h"
#include "uapi/io_uring.h"

#define ENTRIES 64u

#define t_skip(...)                         \
	do {                                \
		print_message(__VA_ARGS__); \
		print_message("\n");        \
		skip();                     \
	} while (0)

static void submit_nop(struct weir_ring *r, uint64_t n, bool large)
{
	struct io_uring_sqe *sqe = weir_ring_sqe(r);

	assert_non_null(sqe);
	sqe->opcode = IORING_OP_NOP;
	sqe->fd = -1;
	sqe->user_data = n;
	sqe->rw_flags = large ? (int)WEIR_IORING_NOP_CQE32 : 0;
	if (large) {
		sqe->off = n * 3; /* first of the extra values */
		sqe->addr = n * 5;
	}
}

/* Also where the library takes none, because one that is full would lose completions. */
static int open_mixed(struct weir_ring *r)
{
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN |
					      WEIR_IORING_SETUP_CQE_MIXED,
				     .cq_entries = 16 };

	memset(r, 0, sizeof(*r));
	r->mixed = true;
	return io_uring_queue_init_params(8, &r->u, &p);
}

static void large(bool mixed)
{
	struct weir_ring r;
	struct weir_cqe c;
	uint64_t sent = 0, got = 0;
	int code = mixed ? open_mixed(&r) : weir_ring_open_large(&r, 8, 16, false, false, NULL);

	if (code == -EINVAL || code == -EPERM || code == -ENOSYS)
		t_skip("no rings with large completions (%s)", strerror(-code));
	assert_int_equal(code, 0);
	while (got < 5000) {
		unsigned n = 1 + (unsigned)t_rand_below(4);

		for (; n; n--, sent++)
			submit_nop(&r, sent, mixed ? t_rand_below(3) > 0 : true);
		assert_int_equal(weir_ring_enter(&r, 0, 0, 0), 0);
		while (weir_ring_take(&r, &c)) {
			if (c.cqe.res == -EINVAL) {
				weir_ring_close(&r);
				t_skip("no-ops without large completions on this kernel");
			}
			assert_int_equal(c.cqe.res, 0);
			assert_int_equal(c.cqe.user_data, got);
			if (!mixed || (c.cqe.flags & WEIR_IORING_CQE_F_32))
				assert_int_equal(c.off, got * 3);
			got++;
		}
		assert_int_equal(got, sent);
	}
	assert_int_equal(weir_ring_ready(&r), 0);
	weir_ring_close(&r);
}

static void large_mixed(void **state)
{
	(void)state;
	large(true);
}

static void large_all(void **state)
{
	(void)state;
	large(false);
}

/* Nothing is lost, doubled or moved when far more completes than the queue has room for. */
static void large_full(void **state)
{
	struct weir_ring r;
	struct weir_cqe c;
	struct weir_error err;
	uint64_t sent = 0, got = 0;
	int code = weir_ring_open_large(&r, 8, 16, true, false, &err);

	(void)state;
	if (code == -EINVAL || code == -EPERM || code == -ENOSYS)
		t_skip("no rings with large completions: %s", err.stage);
	assert_int_equal(code, 0);
	print_message("%s completions\n", r.mixed ? "mixed" : "large");
	for (unsigned round = 0; round < 500; round++) {
		for (unsigned n = (unsigned)t_rand_below(40); n; n--, sent++) {
			submit_nop(&r, sent, r.mixed ? t_rand_below(3) > 0 : true);
			if (n % 8 == 1)
				assert_int_equal(weir_ring_enter(&r, 0, 0, 0), 0);
		}
		while (got < sent) {
			if (!weir_ring_take(&r, &c)) {
				assert_true(weir_ring_overflown(&r));
				assert_int_equal(weir_ring_unfold(&r), 0);
				continue;
			}
			if (c.cqe.res == -EINVAL) {
				weir_ring_close(&r);
				t_skip("no-ops without large completions on this kernel");
			}
			assert_int_equal(c.cqe.user_data, got);
			got++;
		}
		assert_int_equal(weir_ring_ready(&r), 0);
	}
	weir_ring_close(&r);
}

struct fake {
	struct weir_ifq q;
	uint32_t head, tail;
	struct weir_io_uring_zcrx_rqe rqes[ENTRIES];
};

static void fake_init(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->q.khead = &f->head;
	f->q.ktail = &f->tail;
	f->q.rqes = f->rqes;
	f->q.entries = ENTRIES;
	f->q.buf_bytes = 4096;
	f->q.area_count = 2;
	f->q.tokens[1] = UINT64_C(1) << WEIR_ZCRX_AREA_SHIFT;
	/* the indices count beyond 2^32 */
	f->head = f->tail = f->q.tail = UINT32_MAX - 10;
}

static void refill_ring(void **state)
{
	struct fake f;
	uint64_t given = 0, taken = 0;

	(void)state;
	fake_init(&f);
	assert_int_equal(weir_ifq_room(&f.q), ENTRIES);
	for (unsigned step = 0; step < 20000; step++) {
		uint32_t room = weir_ifq_room(&f.q);
		uint32_t n = (uint32_t)t_rand_below(room + 1), before = f.tail;

		assert_int_equal(room, ENTRIES - (given - taken));
		for (uint32_t i = 0; i < n; i++, given++)
			weir_ifq_give(&f.q, given & 1, given << 12 & 0xfffffffff000, 1);
		/* nothing is seen before the one store */
		assert_int_equal(f.tail, before);
		weir_ifq_publish(&f.q);
		assert_int_equal(f.tail, before + n);
		assert_int_equal(weir_ifq_waiting(&f.q), given - taken);
		for (n = (uint32_t)t_rand_below(given - taken + 1); n; n--, taken++) {
			const struct weir_io_uring_zcrx_rqe *e = &f.rqes[f.head++ % ENTRIES];

			assert_int_equal(e->off,
					 f.q.tokens[taken & 1] | (taken << 12 & 0xfffffffff000));
			assert_int_equal(e->pad, 0);
		}
	}
}

/* What the kernel lacks is refused before it is asked, with a sentence. */
static void refusals(void **state)
{
	struct weir_ifq_can can = { 0 };
	struct weir_ifq_req req = { .entries = 8, .name = "x", .mem = { .dmabuf = -1 } };
	struct weir_error err;
	struct weir_ifq q;
	struct fake f;

	(void)state;
	assert_int_equal(weir_ifq_open(&q, NULL, &can, &req, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.hint, "WEIR_IFNAME"));
	req.ifindex = 1;
	req.buf_bytes = 65536;
	assert_int_equal(weir_ifq_open(&q, NULL, &can, &req, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.hint, "larger than a page"));
	fake_init(&f);
	assert_int_equal(weir_ifq_flush(&f.q), -EOPNOTSUPP);
	assert_int_equal(weir_ifq_arm(&f.q), -EOPNOTSUPP);
	assert_int_equal(weir_ifq_add_area(&f.q, &req.mem), -EOPNOTSUPP);
	for (int code = 1; code < 133; code++)
		assert_true(strlen(weir_ifq_meaning(-code)) > 10);
}

/* On a kernel that registers: a queue of a NIC that is none is refused, and nothing is left. */
static void no_such_nic(void **state)
{
	struct weir_ifq_req req = { .entries = 8, .ifindex = 0x7ffffff0, .name = "none rxq 0" };
	struct weir_ifq_can can;
	struct weir_error err;
	struct weir_ring r;
	struct weir_ifq q;
	int code = weir_ring_open_large(&r, 8, 16, true, false, &err);

	(void)state;
	if (code)
		t_skip("no rings with large completions: %s", err.stage);
	code = weir_ifq_supported(&r, &can, &err);
	if (code) {
		weir_ring_close(&r);
		t_skip("no zero-copy receive here: %s", err.hint);
	}
	req.mem.bytes = 1u << 20;
	req.mem.dmabuf = -1;
	req.mem.base = mmap(NULL, req.mem.bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(req.mem.base, MAP_FAILED);
	assert_int_equal(weir_ifq_open(&q, &r, &can, &req, &err), -ENODEV);
	assert_non_null(strstr(err.hint, "no such interface"));
	assert_null(q.region);
	munmap(req.mem.base, req.mem.bytes);
	weir_ring_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(large_mixed), T_CASE(large_all),	  T_CASE(large_full), T_CASE(refill_ring),
		T_CASE(refusals),    T_CASE(no_such_nic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
