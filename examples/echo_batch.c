/* SPDX-License-Identifier: MIT */
/*
 * echo_batch.c - the echo server of echo.c with the batch interface, as language bindings use it.
 * Theory: wait for a batch, look at each event, give the batch back; no callbacks.
 * Run: echo_batch [ADDRESS], default *:9000; try it with: nc localhost 9000
 */
#include <string.h>
#include <weir/weir.h>

#define EVENTS 64
#define QUEUE_MAX (1u << 20)

/* Whether the peer is far behind with reading. */
static int behind(struct weir_sock *s, uint64_t bytes)
{
	struct weir_sock_stats stats;

	weir_sock_get_stats(s, &stats);
	return stats.tx_queued_bytes > bytes;
}

static void handle(struct weir_event *ev)
{
	switch (ev->type) {
	case WEIR_EVENT_RECEIVED:
		for (uint32_t i = 0; i < ev->slice_count; i++)
			if (weir_sock_send_slice(ev->sock, &ev->slices[i], 0, 1))
				return weir_sock_close(ev->sock);
		if (behind(ev->sock, QUEUE_MAX))
			weir_sock_pause(ev->sock);
		break;
	case WEIR_EVENT_SENT:
		if (!behind(ev->sock, QUEUE_MAX / 2))
			weir_sock_resume(ev->sock);
		break;
	case WEIR_EVENT_ENDED:
		weir_sock_finish(ev->sock);
		break;
	default: /* ACCEPTED: it receives already; CLOSED: nothing of ours belongs to it */
		break;
	}
}

int main(int argc, char **argv)
{
	struct weir_event events[EVENTS];
	struct weir_error err;
	struct weir_engine *e;
	int n;

	if (weir_engine_open(&e, NULL, &err) ||
	    weir_listen(e, argc > 1 ? argv[1] : "*:9000", NULL, NULL, NULL, NULL, &err))
		return weir_error_print(stderr, &err), 1;
	while ((n = weir_engine_wait(e, events, EVENTS, -1)) >= 0) {
		for (int i = 0; i < n; i++)
			handle(&events[i]);
		weir_engine_done(e, (unsigned)n);
	}
	fprintf(stderr, "waiting failed: %s\n", strerror(-n));
	weir_engine_close(e);
	return 1;
}
