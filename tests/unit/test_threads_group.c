/* SPDX-License-Identifier: MIT */
/*
 * test_threads_group.c - engines of a group in threads: each connection gets to its engine.
 *
 * Theory: which engine a connection belongs to follows here from its peer's port, where a NIC would
 * tell by the NAPI id.  The engine speaks first and says its number, which the client checks; then
 * the client says something, too.  In the second half engines are closed and opened again
 * meanwhile: the kernel resets what such an engine had not accepted, and nothing else may be lost.
 * Opening and closing take turns for the reason told in test_threads_post.c.
 */
#include "t.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <weir/group.h>

#include "../../src/core/core.h"

#define ENGINES 3
#define CLIENTS 2
#define BATCH 25
#define NAPI_BASE 5000u

struct server {
	unsigned index;
	unsigned reopen_after; /* connections; 0 for never */
	bool failed;
	unsigned accepted, foreign, reopened;
	uint64_t moved;
};

struct client {
	unsigned batches;
	unsigned served, reset, wrong, silent;
};

static struct weir_group *group;
static struct weir_addr to;
static char address[64];
static pthread_barrier_t listening;
static atomic_bool over;
static pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER;

static unsigned engine_of_port(unsigned port)
{
	return port / 2 % ENGINES; /* the kernel gives even ports to connect() */
}

static uint32_t ask_port(int fd)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;

	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		return 0; /* it is gone again */
	return NAPI_BASE + engine_of_port(ntohs(peer.sin_port));
}

static bool server_open(struct server *sv, struct weir_engine **e)
{
	struct weir_engine_opts o = {
		.size = sizeof o, .group = group, .area_bytes = 256 << 10, .buffer_bytes = 4096
	};
	struct weir_sock *s;
	int ret;

	pthread_mutex_lock(&turns);
	ret = weir_engine_open(e, &o, NULL);
	pthread_mutex_unlock(&turns);
	if (ret)
		return false;
	(*e)->c.napi_ids[0] = NAPI_BASE + sv->index;
	(*e)->c.ifq_count = 1;
	weir_core_napi_changed(*e);
	return !weir_listen(*e, address, NULL, sv, NULL, &s, NULL);
}

static void server_close(struct server *sv, struct weir_engine *e)
{
	struct weir_engine_stats st;

	weir_engine_get_stats(e, &st);
	sv->moved += st.moved;
	pthread_mutex_lock(&turns);
	weir_engine_close(e);
	pthread_mutex_unlock(&turns);
}

static void accepted(struct server *sv, struct weir_sock *s)
{
	struct weir_addr peer;
	char number = (char)('0' + sv->index);

	sv->accepted++;
	if (weir_sock_user(s) != sv)
		sv->failed = true;
	if (!weir_sock_peer(s, &peer)) {
		unsigned port = ntohs(((struct sockaddr_in *)&peer.storage)->sin_port);

		sv->foreign += engine_of_port(port) != sv->index;
	}
	if (weir_sock_send(s, &number, 1, WEIR_SEND_COPY, 0))
		sv->failed = true;
}

static void handle(struct server *sv, struct weir_event *ev)
{
	switch (ev->type) {
	case WEIR_EVENT_ACCEPTED:
		accepted(sv, ev->accepted);
		break;
	case WEIR_EVENT_RECEIVED:
		/* The peer may have left: then it has counted it. */
		if (weir_sock_send(ev->sock, "!", 1, WEIR_SEND_COPY, 0) == -EINVAL)
			sv->failed = true;
		break;
	case WEIR_EVENT_ENDED:
		weir_sock_close(ev->sock);
		break;
	case WEIR_EVENT_CLOSED:
	case WEIR_EVENT_NONE:
	case WEIR_EVENT_SENT:
		break;
	default:
		sv->failed = true; /* a message of the library's, or an accept that failed */
		break;
	}
}

static void *serve(void *arg)
{
	struct server *sv = arg;
	struct weir_engine *e = NULL;
	struct weir_event ev[16];
	unsigned next = sv->reopen_after;

	if (!server_open(sv, &e))
		sv->failed = true;
	pthread_barrier_wait(&listening);
	while (!sv->failed && !atomic_load(&over)) {
		int n = weir_engine_wait(e, ev, T_COUNT(ev), 10000);

		for (int i = 0; i < n; i++)
			handle(sv, &ev[i]);
		if (n < 0)
			sv->failed = true;
		weir_engine_done(e, UINT32_MAX);
		if (!sv->failed && next && sv->accepted >= next) {
			next = sv->accepted + sv->reopen_after;
			sv->reopened++;
			server_close(sv, e);
			e = NULL;
			if (!server_open(sv, &e))
				sv->failed = true;
		}
	}
	if (e)
		server_close(sv, e);
	return NULL;
}

/*
 * A connection that weir lost is neither served nor reset: it is silent.  So is one of which the
 * last packet of the handshake found the listener closing: the kernel drops that without a word,
 * but resets the connection at the next packet.
 */
static bool hears(struct client *cl, int fd, char *c)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 500) == 1)
		return read(fd, c, 1) == 1;
	if (send(fd, "?", 1, MSG_NOSIGNAL) == 1 && poll(&p, 1, T_DEADLINE_MS / 3 * T_SLOW) == 1)
		return read(fd, c, 1) == 1;
	cl->silent++;
	return false;
}

static void one_talk(struct client *cl, int fd)
{
	struct sockaddr_in own;
	socklen_t len = sizeof own;
	char c = 0, answer = 0;

	if (getsockname(fd, (struct sockaddr *)&own, &len) || !hears(cl, fd, &c)) {
		cl->reset++;
		return;
	}
	cl->wrong += c != (char)('0' + engine_of_port(ntohs(own.sin_port)));
	/* Closing an engine ends what it has accepted. */
	if (send(fd, "hello", 5, MSG_NOSIGNAL) != 5 || !hears(cl, fd, &answer) || answer != '!')
		cl->reset++;
	else
		cl->served++;
}

static int connected(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, &to.sa, to.len)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *call(void *arg)
{
	struct linger none = { .l_onoff = 1 }; /* no TIME_WAIT: the ports are needed again */
	struct client *cl = arg;

	for (unsigned i = 0; i < cl->batches; i++) {
		int fds[BATCH];

		for (unsigned j = 0; j < BATCH; j++)
			fds[j] = connected();
		for (unsigned j = 0; j < BATCH; j++) {
			if (fds[j] < 0) {
				cl->reset++;
				continue;
			}
			one_talk(cl, fds[j]);
			setsockopt(fds[j], SOL_SOCKET, SO_LINGER, &none, sizeof none);
			close(fds[j]);
		}
	}
	return NULL;
}

/* A port for the group, kept by a socket that does not listen. */
static int port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	memset(&to, 0, sizeof to);
	to.len = sizeof to.storage;
	assert_int_equal(getsockname(fd, &to.sa, &to.len), 0);
	weir_addr_format(&to.sa, address, sizeof address);
	return fd;
}

static void run(struct server *sv, struct client *cl, unsigned batches, unsigned reopen_after)
{
	pthread_t servers[ENGINES], clients[CLIENTS];
	int fd = port();

	weir_group_napi_id = ask_port;
	atomic_store(&over, false);
	assert_int_equal(pthread_barrier_init(&listening, NULL, ENGINES + 1), 0);
	memset(sv, 0, ENGINES * sizeof *sv);
	memset(cl, 0, CLIENTS * sizeof *cl);
	assert_int_equal(weir_group_new(&group, NULL), 0);
	for (unsigned i = 0; i < ENGINES; i++) {
		sv[i].index = i;
		/* The first one always listens: no connection may be refused. */
		sv[i].reopen_after = i * reopen_after;
		assert_int_equal(pthread_create(&servers[i], NULL, serve, &sv[i]), 0);
	}
	pthread_barrier_wait(&listening);
	for (unsigned i = 0; i < CLIENTS; i++) {
		cl[i].batches = batches;
		assert_int_equal(pthread_create(&clients[i], NULL, call, &cl[i]), 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	atomic_store(&over, true);
	for (unsigned i = 0; i < ENGINES; i++)
		pthread_join(servers[i], NULL);
	pthread_barrier_destroy(&listening);
	weir_group_free(group);
	close(fd);
}

static void each_to_its_engine(void **state)
{
	struct server sv[ENGINES];
	struct client cl[CLIENTS];
	unsigned batches = 100 / T_SLOW, all = 0;
	uint64_t moved = 0;

	(void)state;
	run(sv, cl, batches, 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_equal(cl[i].reset, 0);
		assert_int_equal(cl[i].wrong, 0);
		assert_int_equal(cl[i].silent, 0);
		assert_int_equal(cl[i].served, batches * BATCH);
	}
	for (unsigned i = 0; i < ENGINES; i++) {
		assert_false(sv[i].failed);
		assert_int_equal(sv[i].foreign, 0);
		assert_true(sv[i].accepted > 0);
		all += sv[i].accepted;
		moved += sv[i].moved;
	}
	assert_int_equal(all, CLIENTS * batches * BATCH);
	/* Two of three go to another engine first, by chance. */
	assert_true(moved > all / 3 && moved < all);
}

static void engines_come_and_go(void **state)
{
	struct server sv[ENGINES];
	struct client cl[CLIENTS];
	unsigned batches = 100 / T_SLOW, served = 0, reset = 0, reopened = 0;

	(void)state;
	run(sv, cl, batches, 37);
	for (unsigned i = 0; i < CLIENTS; i++) {
		served += cl[i].served;
		reset += cl[i].reset;
		assert_int_equal(cl[i].silent, 0);
	}
	for (unsigned i = 0; i < ENGINES; i++) {
		assert_false(sv[i].failed);
		reopened += sv[i].reopened;
	}
	assert_int_equal(served + reset, CLIENTS * batches * BATCH);
	assert_true(reopened > 5);
	/* A close costs at most what its engine had: two clients' batches. */
	assert_true(reset <= reopened * CLIENTS * BATCH);
	assert_true(served > reset);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(each_to_its_engine),
		T_CASE(engines_come_and_go),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
