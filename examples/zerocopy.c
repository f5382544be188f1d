/* SPDX-License-Identifier: MIT */
/*
 * zerocopy.c - receives TCP streams where the NIC writes them, and passes them on to stdout.
 * Theory: naming an interface is all: the engine takes a queue of it, has it split headers from
 * data, steers the port to that queue, and puts all of it back when it is closed.  Where NIC or
 * kernel cannot do that the same program receives with a copy, and is told why.
 * Run, as root: zerocopy INTERFACE [ADDRESS [COUNT]] >FILE, default *:9000 and 1; it ends after
 * COUNT streams.  Try it with: nc -N HOST 9000 <FILE
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

static struct weir_engine *engine;
static unsigned streams_left = 1;

static void received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	(void)s, (void)user;
	for (unsigned i = 0; i < n; i++)
		fwrite(v[i].data, 1, v[i].len, stdout); /* the NIC wrote it there */
} /* the buffers go back to the NIC now */

static void ended(struct weir_sock *s, int res, void *user)
{
	(void)res, (void)user;
	fprintf(stderr, "%s\n", weir_sock_why(s));
	weir_sock_finish(s);
	if (!--streams_left)
		weir_engine_stop(engine);
}

static void report(void)
{
	struct weir_engine_stats stats;
	struct weir_ifq_stats q;
	struct weir_ifq_info info;

	weir_engine_get_stats(engine, &stats);
	fprintf(stderr, "plane %s: %" PRIu64 " bytes, %" PRIu64 " copied by the kernel\n",
		weir_plane_name(weir_engine_plane(engine)), stats.rx_bytes, stats.rx_copied_bytes);
	for (unsigned i = 0; !weir_engine_ifq(engine, i, &info); i++)
		if (!weir_engine_ifq_stats(engine, i, &q))
			fprintf(stderr, "%s rxq %u: %" PRIu64 " bytes in %" PRIu64 " pieces%s\n",
				info.ifname, info.queue, q.bytes, q.completions,
				q.copied_known ? "" : ", the kernel does not count copies");
}

static void stop(int number)
{
	(void)number;
	weir_engine_stop(engine); /* so that the NIC is put back */
}

int main(int argc, char **argv)
{
	struct weir_sock_ops ops = { .received = received, .ended = ended };
	struct weir_engine_opts o = { .size = sizeof(o) };
	struct weir_error err;

	if (argc < 2)
		return fprintf(stderr, "usage: zerocopy INTERFACE [ADDRESS [COUNT]]\n"), 2;
	o.ifname = argv[1];
	if (argc > 3)
		streams_left = (unsigned)atoi(argv[3]);
	if (weir_engine_open(&engine, &o, &err) ||
	    weir_listen(engine, argc > 2 ? argv[2] : "*:9000", &ops, NULL, NULL, NULL, &err))
		return weir_error_print(stderr, &err), 1;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	fprintf(stderr, "%s\n", weir_engine_why(engine));
	weir_engine_run(engine);
	report();
	weir_engine_close(engine);
}
