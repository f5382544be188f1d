/* SPDX-License-Identifier: MIT */
/*
 * test_verdict.c - the verdict on a queue, over a table of states.
 *
 * Theory: a NIC and a kernel on which zero-copy receive is open are made by hand; each row changes
 *	one or two things and says what must come of it.  Rows with two changes show which of them
 *	is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/probe.h>

#include "nic/nic.h"
#include "t.h"

#define QUEUES 4
#define ALL ((UINT64_C(1) << 26) - 1)

struct state {
	struct weir_probe p;
	struct nic_info nic;
	struct weir_nic_queue queue[QUEUES];
};

/* A kernel that can everything, and the test NIC, split, with nothing on it. */
static void good(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->p.can = ALL;
	s->p.first_userns = 1;
	s->p.memlock_bytes = UINT64_MAX;
	s->nic.queues = s->queue;
	s->nic.pub.rx_queues = QUEUES;
	snprintf(s->nic.pub.ifname, sizeof(s->nic.pub.ifname), "eth9");
	snprintf(s->nic.pub.driver, sizeof(s->nic.pub.driver), "weirnic");
	snprintf(s->nic.pub.kind, sizeof(s->nic.pub.kind), "weirnic");
	s->nic.pub.split = WEIR_NIC_ON;
	s->nic.pub.zerocopy_xsk = WEIR_NIC_ON;
	for (unsigned i = 0; i < QUEUES; i++)
		s->queue[i].index = i;
}

static void lacks(struct state *s, uint64_t can, int code)
{
	s->p.can &= ~can;
	s->p.code[__builtin_ctzll(can)] = (int16_t)code;
}

static void driver(struct state *s, const char *name, const char *kind)
{
	snprintf(s->nic.pub.driver, sizeof(s->nic.pub.driver), "%s", name);
	snprintf(s->nic.pub.kind, sizeof(s->nic.pub.kind), "%s", kind);
}

static void as_is(struct state *s)
{
	(void)s;
}

static void split_off(struct state *s)
{
	s->nic.pub.split = WEIR_NIC_OFF;
}

static void split_unknown(struct state *s)
{
	s->nic.pub.split = WEIR_NIC_UNKNOWN;
}

static void split_absent(struct state *s)
{
	s->nic.pub.split = WEIR_NIC_ABSENT;
}

static void threshold(struct state *s)
{
	s->nic.pub.hds_threshold_bytes = 256;
}

static void threshold_unknown(struct state *s)
{
	s->nic.pub.hds_threshold_bytes = -1;
}

static void xdp(struct state *s)
{
	s->nic.pub.xdp_prog_id = 17;
	snprintf(s->nic.pub.xdp_mode, sizeof(s->nic.pub.xdp_mode), "generic");
}

static void bound(struct state *s)
{
	s->queue[2].uses = WEIR_NIC_QUEUE_ZCRX;
}

static void bound_elsewhere(struct state *s)
{
	s->queue[1].uses = WEIR_NIC_QUEUE_ZCRX;
}

static void devmem(struct state *s)
{
	s->queue[2].uses = WEIR_NIC_QUEUE_DEVMEM;
}

static void xsk(struct state *s)
{
	s->queue[2].uses = WEIR_NIC_QUEUE_XSK;
}

static void leased(struct state *s)
{
	s->queue[2].uses = WEIR_NIC_QUEUE_LEASED;
}

static void loopback(struct state *s)
{
	driver(s, "", "");
	s->nic.pub.loopback = true;
}

static void veth(struct state *s)
{
	driver(s, "veth", "veth");
	split_unknown(s);
}

static void bond(struct state *s)
{
	driver(s, "bonding", "bond");
}

static void netdevsim(struct state *s)
{
	driver(s, "netdevsim", "");
}

static void bnxt(struct state *s)
{
	driver(s, "bnxt_en", "");
}

static void bnxt_off(struct state *s)
{
	bnxt(s);
	split_off(s);
}

static void mlx5_no_gro(struct state *s)
{
	driver(s, "mlx5_core", "");
	s->nic.pub.gro_hw.state = WEIR_NIC_OFF;
	split_off(s);
}

static void virtio(struct state *s)
{
	driver(s, "virtio_net", "");
	split_unknown(s);
}

static void old_kernel(struct state *s)
{
	lacks(s, WEIR_CAN_ZCRX, -EINVAL);
	lacks(s, WEIR_CAN_RECV_ZC, -EOPNOTSUPP);
}

static void not_built(struct state *s)
{
	lacks(s, WEIR_CAN_ZCRX, -EOPNOTSUPP);
}

static void old_kernel_veth(struct state *s)
{
	old_kernel(s);
	veth(s);
}

static void no_rights(struct state *s)
{
	lacks(s, WEIR_CAN_ZCRX, -EPERM);
	lacks(s, WEIR_CAN_IPC_LOCK, -EPERM);
	s->p.memlock_bytes = 8u << 20;
}

static void no_rights_container(struct state *s)
{
	no_rights(s);
	s->p.first_userns = 0;
}

static void no_rights_old(struct state *s)
{
	old_kernel(s);
	lacks(s, WEIR_CAN_IPC_LOCK, -EPERM);
}

static void no_rights_virtio(struct state *s)
{
	no_rights(s);
	virtio(s);
}

static void little_memlock(struct state *s)
{
	lacks(s, WEIR_CAN_IPC_LOCK, -EPERM);
	s->p.memlock_bytes = 64u << 10;
}

static void uses_unknown(struct state *s)
{
	lacks(s, WEIR_CAN_NETDEV_GENL, -ENOENT);
}

static void no_ring(struct state *s)
{
	for (uint64_t can = WEIR_CAN_IO_URING; can <= WEIR_CAN_QUERY; can <<= 1)
		lacks(s, can, -EPERM);
}

static void sysctl_off(struct state *s)
{
	no_ring(s);
	s->p.io_uring_disabled = 2;
}

static void hidden_by_seccomp(struct state *s)
{
	for (uint64_t can = WEIR_CAN_IO_URING; can <= WEIR_CAN_QUERY; can <<= 1)
		lacks(s, can, -ENOSYS);
	s->p.seccomp = 2;
}

static void not_there(struct state *s)
{
	hidden_by_seccomp(s);
	s->p.seccomp = 0;
}

static void carries(struct state *s)
{
	split_off(s);
	snprintf(s->nic.pub.carries, sizeof(s->nic.pub.carries), "it carries the default route");
}

static void virtio_carries(struct state *s)
{
	virtio(s);
	snprintf(s->nic.pub.carries, sizeof(s->nic.pub.carries), "it carries the default route");
}

static void split_off_bound(struct state *s)
{
	split_off(s);
	bound(s);
}

static void no_xsk(struct state *s)
{
	lacks(s, WEIR_CAN_AF_XDP, -EAFNOSUPPORT);
}

static void no_raw(struct state *s)
{
	lacks(s, WEIR_CAN_AF_XDP, -EPERM);
}

static void no_bpf(struct state *s)
{
	lacks(s, WEIR_CAN_BPF, -EPERM);
}

static void lro(struct state *s)
{
	s->nic.pub.lro.state = WEIR_NIC_ON;
}

static void xsk_copies(struct state *s)
{
	s->nic.pub.zerocopy_xsk = WEIR_NIC_OFF;
}

#define Z WEIR_WAY_ZCRX
#define X WEIR_WAY_XDP
#define U WEIR_WAY_URING

/* Verdicts: "now", "fix" (can, not now), "perhaps" (can, not now, unsure), "never". */
static const struct row {
	void (*change)(struct state *s);
	enum weir_way way;
	const char *verdict;
	const char *why; /* a part of it */
	const char *fix; /* a part of it; NULL: there is none */
} rows[] = {
	{ as_is, Z, "now", "", NULL },
	{ split_off, Z, "fix", "tcp-data-split) is off", "weir nic apply eth9 --queue 2" },
	{ carries, Z, "fix", "is off", "weir nic apply eth9 --queue 2 --really" },
	{ split_unknown, Z, "perhaps", "does not tell", "weir doctor eth9 --queue 2 --try" },
	{ uses_unknown, Z, "perhaps", "does not tell who uses", "--try" },
	{ split_absent, Z, "never", "does not split", NULL },
	{ threshold, Z, "fix", "below 256 bytes", "weir nic apply eth9 --queue 2" },
	{ threshold_unknown, Z, "now", "", NULL },
	{ xdp, Z, "fix", "XDP program (id 17)", "ip link set dev eth9 xdpgeneric off" },
	{ bound, Z, "fix", "has bound it for zero-copy receive", "another queue" },
	{ bound_elsewhere, Z, "now", "", NULL },
	{ devmem, Z, "fix", "devmem", "another queue" },
	{ xsk, Z, "fix", "AF_XDP socket", "another queue" },
	{ leased, Z, "fix", "leased", "another queue" },
	{ split_off_bound, Z, "fix", "has bound it", "another queue" },
	{ loopback, Z, "never", "loopback", NULL },
	{ veth, Z, "never", "virtual device (veth)", NULL },
	{ bond, Z, "never", "virtual device (bond)", NULL },
	{ netdevsim, Z, "never", "DMA", NULL },
	{ bnxt, Z, "perhaps", "bnxt_en can", "--try" },
	{ bnxt_off, Z, "perhaps", "is off", "weir nic apply" },
	{ mlx5_no_gro, Z, "perhaps", "hardware GRO", "ethtool -K eth9 rx-gro-hw on" },
	{ virtio, Z, "perhaps", "nothing is known of the driver virtio_net",
	  "weir doctor eth9 --queue 2 --try" },
	{ virtio_carries, Z, "perhaps", "nothing is known", "--try --really" },
	{ old_kernel, Z, "never", "zero-copy receive: this kernel lacks it", "Linux 6.15" },
	{ old_kernel_veth, Z, "never", "virtual device", NULL },
	{ not_built, Z, "never", "CONFIG_IO_URING_ZCRX", "CONFIG_IO_URING_ZCRX" },
	{ no_rights, Z, "fix", "CAP_NET_ADMIN", "run as root" },
	{ no_rights_container, Z, "fix", "first user namespace", "outside of the container" },
	{ no_rights_old, Z, "never", "lacks it", "Linux 6.15" },
	{ no_rights_virtio, Z, "perhaps", "CAP_NET_ADMIN", "run as root" },
	{ little_memlock, Z, "fix", "only 64 KiB", "ulimit -l" },
	{ no_ring, Z, "fix", "io_uring: a security module", "allow io_uring here" },
	{ hidden_by_seccomp, Z, "never", "seccomp", NULL },
	{ as_is, X, "now", "", NULL },
	{ xsk_copies, X, "now", "with a copy", NULL },
	{ split_off, X, "now", "", NULL },
	{ loopback, X, "now", "", NULL },
	{ xsk, X, "fix", "AF_XDP socket is on it", "another queue" },
	{ bound_elsewhere, X, "fix", "queue 1 is bound", "end the program" },
	{ xdp, X, "fix", "XDP program (id 17)", "xdpgeneric off" },
	{ lro, X, "fix", "LRO", "ethtool -K eth9 lro off" },
	{ no_xsk, X, "never", "CONFIG_XDP_SOCKETS", NULL },
	{ no_raw, X, "fix", "CAP_NET_RAW", "run as root" },
	{ no_bpf, X, "fix", "CAP_BPF", "run as root" },
	{ as_is, U, "now", "", NULL },
	{ no_rights, U, "now", "", NULL },
	{ no_ring, U, "fix", "forbids it", "seccomp profile" },
	{ sysctl_off, U, "fix", "io_uring_disabled is 2", "sysctl -w kernel.io_uring_disabled=0" },
	{ hidden_by_seccomp, U, "fix", "hides it", "seccomp profile" },
	{ not_there, U, "never", "CONFIG_IO_URING", "CONFIG_IO_URING" },
	{ not_there, WEIR_WAY_EPOLL, "now", "", NULL },
};

static const char *name_of(const struct weir_verdict *v)
{
	if (v->now)
		return v->can && !v->unsure ? "now" : "now, but contradicts itself";
	if (!v->can)
		return v->unsure ? "never, but unsure" : "never";
	return v->unsure ? "perhaps" : "fix";
}

static void one(unsigned i)
{
	const struct row *r = &rows[i];
	struct weir_verdict v;
	struct state s;

	good(&s);
	r->change(&s);
	memset(&v, 0xaa, sizeof(v));
	assert_int_equal(weir_verdict_queue(&s.p, &s.nic.pub, 2, r->way, &v), 0);
	if (strcmp(name_of(&v), r->verdict) || !strstr(v.why, r->why) || (!r->fix && v.fix[0]) ||
	    (r->fix && !strstr(v.fix, r->fix)) || (!r->why[0] && v.why[0]))
		fail_msg("row %u: %s, why \"%s\", fix \"%s\"; wanted %s, \"%s\", \"%s\"", i,
			 name_of(&v), v.why, v.fix, r->verdict, r->why, r->fix ? r->fix : "");
}

static void all_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(i);
}

static void bad_arguments(void **state)
{
	struct weir_verdict v = { .why = "untouched" };
	struct state s;

	(void)state;
	good(&s);
	assert_int_equal(weir_verdict_queue(NULL, &s.nic.pub, 0, Z, &v), -EINVAL);
	assert_int_equal(weir_verdict_queue(&s.p, NULL, 0, Z, &v), -EINVAL);
	assert_int_equal(weir_verdict_queue(&s.p, NULL, 0, X, &v), -EINVAL);
	assert_int_equal(weir_verdict_queue(&s.p, &s.nic.pub, QUEUES, U, &v), -ERANGE);
	assert_int_equal(weir_verdict_queue(&s.p, &s.nic.pub, 0, (enum weir_way)4, &v), -EINVAL);
	assert_int_equal(weir_verdict_queue(&s.p, &s.nic.pub, 0, (enum weir_way) - 1, &v), -EINVAL);
	assert_int_equal(weir_verdict_queue(&s.p, &s.nic.pub, 0, Z, NULL), -EINVAL);
	assert_string_equal(v.why, "untouched");
	assert_int_equal(weir_verdict_queue(&s.p, NULL, 99, U, &v), 0);
	assert_true(v.now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(all_rows),
		T_CASE(bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
