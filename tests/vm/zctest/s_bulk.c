/* SPDX-License-Identifier: MIT */
/*
 * s_bulk.c - streams that come as they should: one, many, over several queues and engines.
 *
 * Theory: every byte is placed by the NIC, and three counts say so (prove.c).  Engines of a group
 * each run in a thread; which of them a connection comes to is the NIC's choice, so only the sums
 * are known beforehand, and that no engine is left out.
 */
#include "zctest.h"

#include <pthread.h>
#include <string.h>

#define GROUP_ENGINES 2
#define GROUP_STREAMS 64 /* that a queue gets none of so many does not happen */
#define GROUP_BYTES (128u << 10)

static void run_wish(const struct scenario *self)
{
	static struct zt z;

	zt_need();
	zt_whole(&z, self->arg, ZT_PLACED);
}

/* ---------------------------------------------------------------- several engines */

struct member {
	pthread_t thread;
	struct zt z;
	struct zt_wish wish;
};

static struct member members[GROUP_ENGINES];
static pthread_barrier_t barrier; /* of the engines' threads and the first one */
static unsigned streams_closed;	  /* atomic */

static void meet(void)
{
	pthread_barrier_wait(&barrier);
}

/* Between the meetings the first thread looks at what all have done. */
static void *member_main(void *arg)
{
	struct member *m = arg;
	struct zt *z = &m->z;

	zt_open(z, &m->wish);
	zt_listen(z);
	meet();
	for (long end = now_ms() + ZT_DEADLINE_MS;
	     __atomic_load_n(&streams_closed, __ATOMIC_ACQUIRE) < GROUP_STREAMS;) {
		unsigned before = z->closed;

		if (now_ms() > end)
			fail("%u of %u streams are closed; this engine accepted %u", streams_closed,
			     GROUP_STREAMS, z->accepted);
		zt_round(z, 20);
		__atomic_add_fetch(&streams_closed, z->closed - before, __ATOMIC_RELEASE);
	}
	z->took_ms = now_ms() - z->began_ms;
	zt_release(z);
	meet();
	meet();
	zt_close(z);
	return NULL;
}

static void check_members(const struct zt_senders *s)
{
	struct zt *all[GROUP_ENGINES];
	struct weir_engine_stats stats;
	unsigned accepted = 0;

	for (unsigned i = 0; i < GROUP_ENGINES; i++) {
		struct zt *z = &members[i].z;

		all[i] = z;
		accepted += z->accepted;
		weir_engine_get_stats(z->e, &stats);
		say(" engine %u: %u queues, %u streams, %llu given away;", i, z->ifqs, z->accepted,
		    (unsigned long long)stats.moved);
		if (z->ifqs != GROUP_ENGINES || !z->accepted)
			fail("engine %u has %u queues and got %u of %u streams", i, z->ifqs,
			     z->accepted, GROUP_STREAMS);
		for (unsigned k = 0; k < z->ifqs; k++) {
			struct weir_ifq_stats q;

			if (weir_engine_ifq_stats(z->e, k, &q) || !q.bytes)
				fail("nothing came by rxq %u", z->ifq[k].queue);
		}
	}
	if (accepted != GROUP_STREAMS)
		fail("%u of %u streams were accepted", accepted, GROUP_STREAMS);
	zt_prove(all, GROUP_ENGINES, s, ZT_PLACED);
}

/* Four queues, two engines of two queues each; a listener of each on the same port. */
static void run_group(const struct scenario *self)
{
	struct weir_nic_opts no = { .size = sizeof no,
				    .flags = WEIR_NIC_FOR_ZCRX,
				    .ifname = RX_NIC,
				    .queue_first = 4,
				    .queue_count = 4,
				    .name = "zctest" };
	static struct zt_senders s;
	struct weir_group *group;
	struct weir_nic *nic;
	struct weir_error err = { 0 };

	(void)self;
	zt_need();
	pthread_barrier_init(&barrier, NULL, GROUP_ENGINES + 1);
	zt_senders_start(&s, &(struct zt_wish){ .streams = GROUP_STREAMS, .bytes = GROUP_BYTES });
	if (weir_group_new(&group, &err) || weir_nic_open(&nic, &no, &err))
		fail("group of engines: %s %s: %s (%s)", err.stage, err.object, strerror(-err.code),
		     err.hint);
	for (unsigned i = 0; i < GROUP_ENGINES; i++) {
		struct member *m = &members[i];

		m->wish = (struct zt_wish){ .streams = GROUP_STREAMS,
					    .bytes = GROUP_BYTES,
					    .lag = 32,
					    .engine = { .nic = nic,
							.queue_plus_1 = 4 + 2 * i + 1,
							.queue_count = 2,
							.group = group } };
		if (pthread_create(&m->thread, NULL, member_main, m))
			fail("no thread");
	}
	meet();
	zt_senders_go(&s);
	meet();
	zt_senders_end(&s);
	check_members(&s);
	meet();
	for (unsigned i = 0; i < GROUP_ENGINES; i++)
		pthread_join(members[i].thread, NULL);
	weir_group_free(group);
	if (weir_nic_close(nic, &err))
		fail("weir_nic_close: %s", err.hint);
}

#define WISH(...) (&(const struct zt_wish){ __VA_ARGS__ })

const struct scenario scenarios_bulk[] = {
	{ "bulk", "one stream, three counts", run_wish, WISH(.bytes = 16u << 20, .lag = 64) },
	{ "ipv6", "the same over IPv6", run_wish, WISH(.ip6 = true, .bytes = 8u << 20, .lag = 64) },
	{ "connect", "streams that the engine connected", run_wish,
	  WISH(.connects = true, .streams = 4, .lag = 32) },
	{ "sockets64", "64 sockets on one queue", run_wish,
	  WISH(.streams = 64, .bytes = 128u << 10, .lag = 32, .engine.area_bytes = 32u << 20) },
	{ "queues2", "two queues of one engine", run_wish,
	  WISH(.streams = 16, .bytes = 256u << 10, .engine.queue_count = 2) },
	{ "queues2_udmabuf", "the same, a dma-buf each", run_wish,
	  WISH(.streams = 16, .bytes = 256u << 10, .engine.queue_count = 2,
	       .engine.provider = WEIR_PROVIDER_UDMABUF) },
	{ "group", "four queues, two engines, one port", run_group, NULL },
	{ NULL, NULL, NULL, NULL }
};
