// SPDX-License-Identifier: MIT
/*
 * test_errq.c - the book of MSG_ZEROCOPY requests, and what an error queue says.
 *
 * Theory: a model of the kernel numbers calls, some of them failed ones, finishes them in any
 * order, merges adjacent ranges at the tail of its queue as the kernel does, and says some of it
 * twice; every record must be released once, with what its range says.  Messages are made by hand.
 * Last, the kernel itself: on loopback it says what the model says.
 */
#include "t.h"

#include <arpa/inet.h>
#include <time.h>

#include <linux/errqueue.h>

#include "plane/epoll_zc.h"

#define RECORDS 70000u

static struct {
	struct weir_zc zc[RECORDS];
	unsigned released[RECORDS];
	bool copied[RECORDS];
	unsigned sum;
} w;

static void on_released(struct weir_zc *zc, bool copied)
{
	size_t i = (size_t)(zc - w.zc);

	assert_true(i < RECORDS);
	assert_int_equal(w.released[i], 0);
	w.released[i]++;
	w.copied[i] = copied;
	w.sum++;
}

static void begin(struct weir_errq *q, uint32_t next_id)
{
	memset(&w, 0, sizeof w);
	*q = (struct weir_errq){ .next_id = next_id };
}

static void add(struct weir_errq *q, unsigned i)
{
	assert_int_equal(weir_errq_reserve(q), 0);
	weir_errq_add(q, &w.zc[i]);
}

static unsigned complete(struct weir_errq *q, uint32_t first, uint32_t last, bool copied)
{
	unsigned before = w.sum;
	struct weir_errq_note note = {
		.completion = true, .copied = copied, .first = first, .last = last
	};

	weir_errq_complete(q, &note, on_released);
	return w.sum - before;
}

/* Ranges, merged and not, in any order, and each a second time. */
static void ranges(void **state)
{
	static const uint32_t bases[] = { 0, 1000, 0x7ffffffe, 0x80000000, 0xfffffff6, 0xffffffff };
	struct weir_errq q;

	(void)state;
	for (size_t k = 0; k < T_COUNT(bases); k++) {
		uint32_t base = bases[k];

		begin(&q, base);
		for (unsigned i = 0; i < 20; i++)
			add(&q, i);
		assert_int_equal(q.live, 20);
		assert_int_equal(complete(&q, base + 5, base + 9, true), 5);
		assert_int_equal(complete(&q, base + 5, base + 9, false), 0);
		assert_int_equal(complete(&q, base, base, false), 1);
		assert_int_equal(complete(&q, base + 19, base + 19, false), 1);
		/* Over what was released. */
		assert_int_equal(complete(&q, base + 3, base + 12, false), 5);
		assert_true(w.copied[5] && w.copied[9] && !w.copied[3] && !w.copied[12]);
		assert_int_equal(q.live, 8);
		assert_int_equal(complete(&q, base, base + 19, false), 8);
		assert_int_equal(q.live, 0);
		assert_int_equal(complete(&q, base, base + 19, false), 0);
		assert_int_equal(q.next_id, base + 20);
		/* A range that began long before. */
		add(&q, 20);
		add(&q, 21);
		assert_int_equal(complete(&q, base + 1, base + 20, true), 1);
		assert_int_equal(w.released[20], 1);
		assert_int_equal(complete(&q, base - 70000, base + 21, true), 1);
		assert_int_equal(q.next_id, base + 22);
		weir_errq_fini(&q);
	}
}

/* A call that failed may have a number; what is said of it moves the count on, and never back. */
static void failed_calls(void **state)
{
	struct weir_errq q;

	(void)state;
	for (uint32_t base = 0xfffffffa; base != 4; base++) {
		begin(&q, base);
		add(&q, 0);
		add(&q, 1);
		/* The call after them failed, took base + 2, and its packet is gone. */
		assert_int_equal(complete(&q, base, base + 2, false), 2);
		assert_int_equal(q.next_id, base + 3);
		/* Two such calls, while one request is out. */
		add(&q, 2);
		assert_int_equal(complete(&q, base + 4, base + 5, false), 0);
		assert_int_equal(q.next_id, base + 6);
		add(&q, 3);
		assert_int_equal(complete(&q, base + 6, base + 6, true), 1);
		assert_true(w.released[3] && w.copied[3] && !w.released[2]);
		assert_int_equal(complete(&q, base + 3, base + 3, false), 1);
		assert_int_equal(q.next_id, base + 7);
		assert_int_equal(complete(&q, base + 4, base + 4, false), 0);
		assert_int_equal(q.next_id, base + 7);
		weir_errq_fini(&q);
	}
}

/* One that stays keeps those behind it, up to a bound; order and count survive the growth. */
static void bound(void **state)
{
	struct weir_errq q;
	unsigned i;

	(void)state;
	begin(&q, 0xffff8000);
	add(&q, 0);
	for (i = 1; !weir_errq_reserve(&q); i++) {
		assert_true(i < RECORDS - 1);
		weir_errq_add(&q, &w.zc[i]);
		if (i % 2)
			assert_int_equal(complete(&q, 0xffff8000 + i, 0xffff8000 + i, false), 1);
	}
	assert_int_equal(i, 65536);
	assert_int_equal(weir_errq_reserve(&q), -ENOBUFS);
	assert_int_equal(q.live, 32768);
	assert_int_equal(complete(&q, 0xffff8000, 0xffff8000, false), 1);
	/* The oldest and the one behind it are gone. */
	assert_int_equal(weir_errq_reserve(&q), 0);
	add(&q, i);
	assert_int_equal(complete(&q, 0xffff8000, 0xffff8000 + i, true), 32768);
	assert_int_equal(q.live, 0);
	for (unsigned k = 0; k <= i; k++)
		assert_int_equal(w.released[k], 1);
	weir_errq_fini(&q);
}

/* ---- against a model ---- */

struct range {
	uint32_t first, last;
	bool copied;
};

static struct {
	uint32_t key;	      /* the socket's counter */
	uint32_t out[400];    /* numbers of packets that are somewhere */
	bool ours[400];	      /* of calls that did not fail */
	unsigned record[400]; /* whose */
	unsigned outs;
	struct range queue[512];
	unsigned queued;
	bool says_copied[RECORDS];
	struct range said;
} k;

/* A packet is done: as __msg_zerocopy_callback() does it. */
static void model_done(unsigned at)
{
	struct range *tail = k.queued ? &k.queue[k.queued - 1] : NULL;
	bool copied = t_rand_below(2);
	uint32_t id = k.out[at];

	if (tail && id == tail->last + 1) {
		tail->last++;
		copied = tail->copied;
	} else {
		assert_true(k.queued < T_COUNT(k.queue));
		k.queue[k.queued++] = (struct range){ id, id, copied };
	}
	if (k.ours[at])
		k.says_copied[k.record[at]] = copied;
	k.outs--;
	k.out[at] = k.out[k.outs];
	k.ours[at] = k.ours[k.outs];
	k.record[at] = k.record[k.outs];
}

static void model_read(struct weir_errq *q)
{
	for (unsigned i = 0; i < k.queued; i++) {
		(void)complete(q, k.queue[i].first, k.queue[i].last, k.queue[i].copied);
		if (t_rand_below(4) == 0) {
			k.said = k.queue[t_rand_below(i + 1)];
			assert_int_equal(complete(q, k.said.first, k.said.last, true), 0);
		}
	}
	k.queued = 0;
}

static void model(void **state)
{
	struct weir_errq q;
	unsigned sent, failed;

	(void)state;
	for (unsigned run = 0; run < 30; run++) {
		memset(&k, 0, sizeof k);
		k.key = (uint32_t)(t_rand_below(2) ? -t_rand_below(3000) : t_rand());
		begin(&q, k.key);
		for (sent = failed = 0; sent < 5000;) {
			unsigned what = (unsigned)t_rand_below(10);

			if (what < 4 && k.outs < T_COUNT(k.out)) {
				add(&q, sent);
				k.ours[k.outs] = true;
				k.record[k.outs] = sent++;
				k.out[k.outs++] = k.key++;
			} else if (what == 4 && k.queued < T_COUNT(k.queue)) {
				/* A call fails behind its packet: the queue is read after it. */
				k.ours[k.outs] = false;
				k.out[k.outs++] = k.key++;
				model_done(k.outs - 1);
				model_read(&q);
				failed++;
			} else if (what == 5 || k.queued == T_COUNT(k.queue)) {
				model_read(&q);
			} else if (k.outs) {
				model_done((unsigned)t_rand_below(
					t_rand_below(2) ? k.outs : 1 + k.outs / 8));
			}
			assert_true(q.live <= k.outs + sent - w.sum);
		}
		assert_true(failed > 0);
		while (k.outs) {
			if (k.queued == T_COUNT(k.queue))
				model_read(&q);
			model_done(0);
		}
		model_read(&q);
		assert_int_equal(q.live, 0);
		assert_int_equal(q.next_id, k.key);
		for (unsigned i = 0; i < sent; i++) {
			assert_int_equal(w.released[i], 1);
			assert_int_equal(w.copied[i], k.says_copied[i]);
		}
		weir_errq_fini(&q);
	}
}

/* ---- messages ---- */

static struct {
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr msg;
} m;

static void cmsg(int level, int type, const void *data, size_t bytes)
{
	struct cmsghdr *cm = (struct cmsghdr *)(m.control + m.msg.msg_controllen);

	m.msg.msg_control = m.control;
	m.msg.msg_controllen += CMSG_SPACE(bytes);
	assert_true(m.msg.msg_controllen <= sizeof m.control);
	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cm), data, bytes);
}

static struct weir_errq_note parsed(void)
{
	struct weir_errq_note note;

	memset(&note, 0x5a, sizeof note);
	weir_errq_parse(&m.msg, &note);
	return note;
}

static struct weir_errq_note parsed_error(int level, int type, struct sock_extended_err ee)
{
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 offender;
	} data = { .ee = ee };

	memset(&m, 0, sizeof m);
	cmsg(level, type, &data, sizeof data);
	return parsed();
}

static void messages(void **state)
{
	static const uint8_t icmp[] = { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, SO_EE_ORIGIN_LOCAL };
	struct sock_extended_err ee = { .ee_origin = SO_EE_ORIGIN_ZEROCOPY,
					.ee_info = 0xfffffff0,
					.ee_data = 7 };
	struct weir_errq_note note;
	int64_t stamp[2] = { 1, 2 };

	(void)state;
	note = parsed_error(SOL_IP, IP_RECVERR, ee);
	assert_true(note.completion && !note.copied && !note.error);
	assert_true(note.first == 0xfffffff0 && note.last == 7);
	ee.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
	note = parsed_error(SOL_IPV6, IPV6_RECVERR, ee);
	assert_true(note.completion && note.copied && note.last == 7);
	/* Behind a time stamp. */
	memset(&m, 0, sizeof m);
	cmsg(SOL_SOCKET, SO_TIMESTAMPNS, stamp, sizeof stamp);
	cmsg(SOL_IP, IP_RECVERR, &ee, sizeof ee);
	note = parsed();
	assert_true(note.completion && note.copied && note.first == 0xfffffff0);
	/* Errors of others. */
	for (size_t i = 0; i < T_COUNT(icmp); i++) {
		note = parsed_error(SOL_IP, IP_RECVERR,
				    (struct sock_extended_err){ .ee_origin = icmp[i],
								.ee_errno = ECONNREFUSED,
								.ee_data = 1 });
		assert_true(!note.completion && !note.copied);
		assert_int_equal(note.error, ECONNREFUSED);
	}
	/* No errors: a time stamp of a packet that left (its errno is ENOMSG). */
	note = parsed_error(SOL_IP, IP_RECVERR,
			    (struct sock_extended_err){ .ee_origin = SO_EE_ORIGIN_TIMESTAMPING,
							.ee_errno = ENOMSG });
	assert_true(!note.completion && !note.error);
	/* Nothing, too little, or of another kind. */
	memset(&m, 0, sizeof m);
	assert_false(parsed().completion);
	cmsg(SOL_IP, IP_RECVERR, &ee, sizeof ee - 1);
	assert_false(parsed().completion);
	note = parsed_error(SOL_IP, IP_TTL, ee);
	assert_true(!note.completion && !note.error);
	note = parsed_error(SOL_SOCKET, IP_RECVERR, ee);
	assert_true(!note.completion && !note.error);
}

/* ---- the kernel ---- */

static struct weir_errq_note kernel_says(int fd)
{
	struct weir_errq_note note;

	memset(&m, 0, sizeof m);
	m.msg.msg_control = m.control;
	m.msg.msg_controllen = sizeof m.control;
	if (recvmsg(fd, &m.msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return (struct weir_errq_note){ .error = errno };
	weir_errq_parse(&m.msg, &note);
	return note;
}

static void kernel(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, gso = 65000, sent;
	int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof to;
	static char data[70000];
	struct weir_errq_note note;

	(void)state;
	assert_true(fd >= 0 && peer >= 0);
	assert_int_equal(bind(peer, (struct sockaddr *)&to, len), 0);
	assert_int_equal(getsockname(peer, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
	for (sent = 0; sent < 5; sent++)
		assert_int_equal(send(fd, data, 1000, MSG_ZEROCOPY), 1000);
	/* Loopback copies, in order: one range.  An empty datagram takes a number, too. */
	assert_int_equal(send(fd, data, 0, MSG_ZEROCOPY), 0);
	note = kernel_says(fd);
	assert_true(note.completion && note.copied);
	assert_int_equal(note.first, 0);
	assert_int_equal(note.last, 5);
	assert_int_equal(kernel_says(fd).error, EAGAIN);
	/* A failure behind the packet takes a number (a segment longer than the way is wide)... */
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof gso), 0);
	assert_int_equal(send(fd, data, 60000, MSG_ZEROCOPY), 60000);
	gso = 1;
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof gso), 0);
	assert_int_equal(send(fd, data, 2000, MSG_ZEROCOPY), -1);
	note = kernel_says(fd);
	assert_true(note.completion);
	assert_int_equal(note.first, 6);
	assert_int_equal(note.last, 7);
	/* ...and one before it does not. */
	gso = 0;
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof gso), 0);
	assert_int_equal(send(fd, data, 65530, MSG_ZEROCOPY), -1);
	assert_int_equal(send(fd, data, 1000, MSG_ZEROCOPY), 1000);
	note = kernel_says(fd);
	assert_true(note.completion);
	assert_int_equal(note.first, 8);
	assert_int_equal(note.last, 8);
	close(fd);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(ranges), T_CASE(failed_calls), T_CASE(bound),
		T_CASE(model),	T_CASE(messages),     T_CASE(kernel),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
