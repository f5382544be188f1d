/* SPDX-License-Identifier: MIT */
/*
 * echo.c - an echo server: what arrives goes back from where the kernel wrote it, no copy of ours.
 * Theory: callbacks; a peer that does not read is not read from, so that memory stays bounded.
 * Run: echo [ADDRESS], default *:9000; try it with: nc localhost 9000
 */
#include <weir/weir.h>

#define QUEUE_MAX (1u << 20)

static void received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct weir_sock_stats stats;

	(void)user;
	for (unsigned i = 0; i < n; i++)
		if (weir_sock_send_slice(s, &v[i], 0, 1))
			return weir_sock_close(s);
	weir_sock_get_stats(s, &stats);
	if (stats.tx_queued_bytes > QUEUE_MAX)
		weir_sock_pause(s);
}

static void sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct weir_sock_stats stats;

	(void)tag, (void)res, (void)user;
	weir_sock_get_stats(s, &stats);
	if (stats.tx_queued_bytes <= QUEUE_MAX / 2)
		weir_sock_resume(s);
}

int main(int argc, char **argv)
{
	struct weir_sock_ops ops = { .received = received, .sent = sent };
	struct weir_error err;
	struct weir_engine *e;

	if (weir_engine_open(&e, NULL, &err) ||
	    weir_listen(e, argc > 1 ? argv[1] : "*:9000", &ops, NULL, NULL, NULL, &err))
		return weir_error_print(stderr, &err), 1;
	weir_engine_run(e);
	weir_engine_close(e);
}
