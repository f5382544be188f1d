/* SPDX-License-Identifier: MIT */
/*
 * t_link.c - both ends of one connection on one engine.
 *
 * Theory: most rules need nothing but one connection whose both ends are the library's; the
 * content of each direction has its own seed.
 */
#include "t_end.h"

struct t_link *t_link_new(const struct weir_engine_opts *opts, uint64_t up, uint64_t down)
{
	struct t_link *l = calloc(1, sizeof *l);

	assert_non_null(l);
	l->e = t_open(opts);
	t_end_init(&l->client, 1, up, 2, down);
	t_end_init(&l->server, 2, down, 1, up);
	return l;
}

void t_link_open(struct t_link *l, const char *address, const struct weir_sock_opts *opts)
{
	t_acceptor_open(&l->acceptor, l->e, address, opts, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, opts);
	t_until(l->e, l->client.connected && l->server.connected);
	assert_int_equal(l->client.connect_res, 0);
}

void t_link_run(struct t_link *l)
{
	while (!t_end_complete(&l->client) || !t_end_complete(&l->server)) {
		assert_false(l->client.broken || l->server.broken);
		t_step_some(l->e, "both ends complete");
	}
	assert_int_equal(l->client.canceled + l->server.canceled, 0);
}

void t_link_close(struct t_link *l)
{
	if (l->client.s)
		t_end_close(&l->client);
	if (l->server.s)
		t_end_close(&l->server);
	if (l->acceptor.s)
		weir_sock_close(l->acceptor.s);
	t_until(l->e, !l->client.s && !l->server.s && !l->acceptor.s);
	t_close(l->e);
	free(l);
}
