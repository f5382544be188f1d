/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-group: engines of one group in threads of one process, each with NIC queues.
 *
 * Theory: the engines speak first, say which one they are, and check what they receive then.  At
 * the end each engine says in one line what it accepted, gave away, received, and by which queues.
 * Only the public interface is used, as by any program.
 *
 *	weir-group serve IFACE ADDR ENGINES QUEUES CONNECTIONS   QUEUES is how many each engine has
 *	weir-group call ADDR CONNECTIONS BYTES                   eight at a time; bytes by each
 *	weir-group ids ADDR CONNECTIONS                          plain sockets: NAPI ids at accept
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/ifq.h>
#include <weir/weir.h>

#define ENGINES_MAX 8
#define CALLERS 8
#define WHYS_MAX 16
#define FROM_PORT 20000
#define FROM_PORTS 12000
#define PORT_STEP 97 /* neighbours' hashes are alike in all but few bits */
#define PERIOD 65521 /* of the content: a prime, so that a piece that moved is seen */

struct server {
	pthread_t thread;
	unsigned index;
	struct weir_engine *e;
	unsigned accepted, wrong, broken;
	unsigned long long bytes;
	struct {
		char text[160];
		unsigned count;
	} whys[WHYS_MAX];
};

struct conn {
	unsigned long long at;
};

static struct weir_nic *nic;
static struct weir_group *group;
static const char *address;
static struct server servers[ENGINES_MAX];
static unsigned engine_count, queues_each, wanted;
static atomic_uint ended;
static pthread_barrier_t listening;
static unsigned char content[PERIOD + (1 << 16)];

__attribute__((noreturn)) static void die(const char *what, const struct weir_error *err)
{
	printf("failed: %s\n", what);
	weir_error_print(stdout, err);
	exit(1);
}

static void fill(void)
{
	uint32_t x = 1;

	for (unsigned i = 0; i < sizeof(content); i++) {
		x = i < PERIOD ? x * 1664525u + 1013904223u : 0;
		content[i] = i < PERIOD ? (unsigned char)(x >> 24) : content[i - PERIOD];
	}
}

/* ------------------------------------------------------------------------------ the engines */

static struct server *server_of(struct weir_sock *s)
{
	for (unsigned i = 0; i < engine_count; i++)
		if (servers[i].e == weir_sock_engine(s))
			return &servers[i];
	die("a socket of no engine", NULL);
}

static void note_why(struct server *sv, struct weir_sock *s)
{
	const char *why = weir_sock_why(s);

	for (unsigned i = 0; i < WHYS_MAX; i++) {
		if (sv->whys[i].count && strcmp(sv->whys[i].text, why))
			continue;
		snprintf(sv->whys[i].text, sizeof(sv->whys[i].text), "%s", why);
		sv->whys[i].count++;
		return;
	}
}

static void on_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct server *sv = server_of(s);
	struct conn *c = user;

	for (unsigned i = 0; i < n; i++) {
		const char *data = v[i].data;
		size_t left = v[i].len;

		sv->bytes += left;
		while (left) {
			size_t part = left < 1 << 16 ? left : 1 << 16;

			if (memcmp(data, content + c->at % PERIOD, part))
				sv->wrong++;
			c->at += part;
			data += part;
			left -= part;
		}
	}
}

static void on_ended(struct weir_sock *s, int res, void *user)
{
	struct server *sv = server_of(s);
	struct conn *c = user;

	note_why(sv, s);
	if (res || weir_sock_send(s, &c->at, sizeof(c->at), WEIR_SEND_COPY, 0))
		sv->broken++;
	weir_sock_finish(s);
}

static void on_closed(struct weir_sock *s, void *user)
{
	(void)s;
	free(user);
	if (atomic_fetch_add(&ended, 1) + 1 == wanted)
		for (unsigned i = 0; i < engine_count; i++)
			weir_engine_stop(servers[i].e);
}

static const struct weir_sock_ops conn_ops = { .received = on_received,
					       .ended = on_ended,
					       .closed = on_closed };

static void on_accepted(struct weir_sock *from, struct weir_sock *s, void *user)
{
	struct server *sv = user;
	char number = (char)('0' + sv->index);
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		die("memory", NULL);
	if (weir_sock_engine(from) != sv->e || server_of(s) != sv)
		die("accepted by another engine's listener", NULL);
	sv->accepted++;
	weir_sock_set_ops(s, &conn_ops, c);
	if (weir_sock_send(s, &number, 1, WEIR_SEND_COPY, 0))
		sv->broken++;
}

static const struct weir_sock_ops listen_ops = { .accepted = on_accepted };

static void say(const struct server *sv)
{
	struct weir_engine_stats st;
	struct weir_ifq_info info;

	weir_engine_get_stats(sv->e, &st);
	printf("engine %u accepted %u moved %llu bytes %llu copied %llu wrong %u broken %u queues",
	       sv->index, sv->accepted, (unsigned long long)st.moved, sv->bytes,
	       (unsigned long long)st.rx_copied_bytes, sv->wrong, sv->broken);
	for (unsigned i = 0; !weir_engine_ifq(sv->e, i, &info); i++)
		printf(" %u", info.queue);
	printf("\n");
	for (unsigned i = 0; i < WHYS_MAX && sv->whys[i].count; i++)
		printf("engine %u: %u by %s\n", sv->index, sv->whys[i].count, sv->whys[i].text);
}

static void *serve(void *arg)
{
	struct server *sv = arg;
	struct weir_engine_opts o = {
		.size = sizeof(o),
		.plane = WEIR_PLANE_ZCRX,
		.nic = nic,
		.queue_plus_1 = (uint32_t)weir_nic_queue(nic, sv->index * queues_each) + 1,
		.queue_count = queues_each,
		.group = group,
	};
	struct weir_sock *s;
	struct weir_error err = { 0 };

	if (weir_engine_open(&sv->e, &o, &err))
		die("engine", &err);
	if (weir_listen(sv->e, address, &listen_ops, sv, NULL, &s, &err))
		die("listen", &err);
	pthread_barrier_wait(&listening);
	if (weir_engine_run(sv->e))
		die("run", NULL);
	pthread_barrier_wait(&listening);
	/* All at once: who closes first has nothing to give to the others any more. */
	if (!sv->index)
		for (unsigned i = 0; i < engine_count; i++)
			say(&servers[i]);
	pthread_barrier_wait(&listening);
	weir_engine_close(sv->e);
	return NULL;
}

static int do_serve(const char *ifname)
{
	struct weir_nic_opts o = { .size = sizeof(o),
				   .flags = WEIR_NIC_FOR_ZCRX,
				   .ifname = ifname,
				   .queue_first = 1,
				   .queue_count = engine_count * queues_each,
				   .name = "group" };
	struct weir_error err = { 0 };

	if (weir_nic_open(&nic, &o, &err))
		die("weir_nic_open", &err);
	if (weir_group_new(&group, &err))
		die("weir_group_new", &err);
	pthread_barrier_init(&listening, NULL, engine_count + 1);
	for (unsigned i = 0; i < engine_count; i++) {
		servers[i].index = i;
		if (pthread_create(&servers[i].thread, NULL, serve, &servers[i]))
			die("thread", NULL);
	}
	pthread_barrier_wait(&listening);
	printf("listening\n");
	pthread_barrier_wait(&listening);
	pthread_barrier_wait(&listening);
	for (unsigned i = 0; i < engine_count; i++)
		pthread_join(servers[i].thread, NULL);
	weir_group_free(group);
	if (weir_nic_close(nic, &err))
		die("weir_nic_close", &err);
	return 0;
}

/* ------------------------------------------------------------------- without the library */

static int plain_socket(bool listener)
{
	static atomic_uint calls;
	struct sockaddr_storage from = { 0 };
	struct weir_addr a;
	int fd, one = 1;

	if (weir_addr_parse(address, &a, NULL))
		die("address", NULL);
	fd = socket(a.sa.sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket", NULL);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!listener) {
		from.ss_family = a.sa.sa_family;
		/* In IPv6's address it is at the same place. */
		((struct sockaddr_in *)&from)->sin_port =
			htons((uint16_t)(FROM_PORT +
					 atomic_fetch_add(&calls, 1) * PORT_STEP % FROM_PORTS));
		return bind(fd, (struct sockaddr *)&from, a.len) || connect(fd, &a.sa, a.len) ? -1 :
												fd;
	}
	return bind(fd, &a.sa, a.len) || listen(fd, 4096) ? -1 : fd;
}

static bool read_all(int fd, void *to, size_t bytes)
{
	return recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool call_one(unsigned long long bytes)
{
	unsigned long long at = 0, told = 0;
	int fd = plain_socket(false);
	char number = 0;
	bool ok = fd >= 0 && read_all(fd, &number, 1) && number >= '0';

	while (ok && at < bytes) {
		size_t part = bytes - at < 1 << 16 ? (size_t)(bytes - at) : 1 << 16;
		ssize_t n = send(fd, content + at % PERIOD, part, MSG_NOSIGNAL);

		ok = n > 0;
		at += (unsigned long long)n;
	}
	ok = ok && !shutdown(fd, SHUT_WR) && read_all(fd, &told, sizeof(told)) && told == bytes;
	close(fd);
	return ok;
}

struct caller {
	pthread_t thread;
	unsigned count, failed;
	unsigned long long bytes;
};

static void *call(void *arg)
{
	struct caller *c = arg;

	for (unsigned i = 0; i < c->count; i++)
		c->failed += !call_one(c->bytes);
	return NULL;
}

static int do_call(unsigned count, unsigned long long bytes)
{
	struct caller callers[CALLERS];
	unsigned failed = 0;

	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){ .bytes = bytes };
		callers[i].count = count / CALLERS + (i < count % CALLERS);
		if (pthread_create(&callers[i].thread, NULL, call, &callers[i]))
			die("thread", NULL);
	}
	for (unsigned i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		failed += callers[i].failed;
	}
	printf("%u of %u failed\n", failed, count);
	return failed != 0;
}

/* As soon as the kernel gives the connection: what is its NAPI id? */
static int do_ids(unsigned count)
{
	int fd = plain_socket(true);
	unsigned zero = 0;

	if (fd < 0)
		die("listen", NULL);
	printf("listening\n");
	for (unsigned i = 0; i < count; i++) {
		int c, id = 0;
		socklen_t len = sizeof(id);

		/* No sleep between: the earliest moment is the one that is asked about. */
		while ((c = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) < 0)
			;
		if (getsockopt(c, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &len))
			die("SO_INCOMING_NAPI_ID", NULL);
		zero += !id;
		if (write(c, "0", 1) != 1)
			die("write", NULL);
		close(c);
	}
	printf("accepted %u without id %u\n", count, zero);
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	fill();
	if (argc == 7 && !strcmp(argv[1], "serve")) {
		address = argv[3];
		engine_count = (unsigned)atoi(argv[4]);
		queues_each = (unsigned)atoi(argv[5]);
		wanted = (unsigned)atoi(argv[6]);
		if (!engine_count || engine_count > ENGINES_MAX || !queues_each || !wanted)
			return 2;
		return do_serve(argv[2]);
	}
	if (argc < 4)
		return 2;
	address = argv[2];
	if (argc == 5 && !strcmp(argv[1], "call"))
		return do_call((unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "ids"))
		return do_ids((unsigned)atoi(argv[3]));
	return 2;
}
