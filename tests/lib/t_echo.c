/* SPDX-License-Identifier: MIT */
/*
 * t_echo.c - a listener that sends back what it receives, by every way there is.
 *
 * Theory: see t_echo.h.
 */
#include "t_echo.h"

struct piece {
	struct piece *next;
	struct weir_slice slice; /* held */
};

struct t_echo_conn {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct t_echo *echo;
	struct t_echo_conn *next, **link;
	struct weir_sock *s;
	struct piece *wait_head, **wait_tail; /* did not fit into the queue */
	struct piece *out;		      /* memory of sends in flight */
	bool ended;
};

static void put_out(struct t_echo_conn *c, struct piece *p)
{
	p->next = c->out;
	c->out = p;
}

static int send_held(struct t_echo_conn *c, struct piece *p)
{
	int ret = weir_sock_send(c->s, p->slice.data, p->slice.len, 0, (uintptr_t)p);

	if (!ret) {
		put_out(c, p);
		c->echo->by_hold++;
	}
	return ret;
}

static struct piece *hold(struct weir_slice *v)
{
	struct piece *p = calloc(1, sizeof *p);

	assert_non_null(p);
	assert_int_equal(weir_slice_hold(v), 0);
	assert_true(v->flags & WEIR_SLICE_HELD);
	p->slice = *v;
	return p;
}

static void drop(struct piece *p)
{
	assert_int_equal(weir_slice_release(&p->slice), 0);
	assert_false(p->slice.flags & WEIR_SLICE_HELD);
	free(p);
}

static void flush_waiting(struct t_echo_conn *c)
{
	while (c->wait_head) {
		struct piece *p = c->wait_head;
		int ret;

		c->wait_head = p->next;
		if (!c->wait_head)
			c->wait_tail = &c->wait_head;
		ret = send_held(c, p);
		if (ret) {
			assert_int_equal(ret, -ENOBUFS);
			p->next = c->wait_head;
			if (!c->wait_head)
				c->wait_tail = &p->next;
			c->wait_head = p;
			return;
		}
	}
	if (c->ended)
		weir_sock_finish(c->s);
	else
		weir_sock_resume(c->s);
}

static void keep_waiting(struct t_echo_conn *c, struct piece *p)
{
	if (!c->wait_head) {
		c->echo->refused++;
		weir_sock_pause(c->s);
	}
	p->next = NULL;
	*c->wait_tail = p;
	c->wait_tail = &p->next;
}

static void send_back(struct t_echo_conn *c, struct weir_slice *v)
{
	unsigned way = c->wait_head ? 3 : t_rand_below(3);
	int ret = -ENOBUFS;
	struct piece *p;

	if (way == 0) {
		ret = weir_sock_send_slice(c->s, v, 0, 0);
		c->echo->by_slice += !ret;
	} else if (way == 1) {
		ret = weir_sock_send(c->s, v->data, v->len, WEIR_SEND_COPY, 0);
		c->echo->by_copy += !ret;
	}
	if (!ret)
		return;
	assert_int_equal(ret, -ENOBUFS);
	p = hold(v);
	if (way == 2)
		ret = send_held(c, p);
	if (ret)
		keep_waiting(c, p);
}

static void echo_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	(void)s;
	for (unsigned i = 0; i < n; i++)
		send_back(user, &v[i]);
}

static void echo_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct t_echo_conn *c = user;
	struct piece **at = &c->out;
	struct piece *p;

	(void)s;
	(void)res;
	while (*at && (uintptr_t)*at != tag)
		at = &(*at)->next;
	p = *at;
	assert_non_null(p);
	*at = p->next;
	drop(p);
}

static void echo_writable(struct weir_sock *s, void *user)
{
	(void)s;
	flush_waiting(user);
}

static void echo_ended(struct weir_sock *s, int res, void *user)
{
	struct t_echo_conn *c = user;

	assert_int_equal(res, c->echo->end_res);
	c->ended = true;
	if (!c->wait_head)
		weir_sock_finish(s);
}

static void echo_closed(struct weir_sock *s, void *user)
{
	struct t_echo_conn *c = user;

	(void)s;
	assert_null(c->out); /* every tag came back */
	while (c->wait_head) {
		struct piece *p = c->wait_head;

		c->wait_head = p->next;
		drop(p);
	}
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->echo->open--;
	free(c);
}

static const struct weir_sock_ops conn_ops = {
	.received = echo_received,
	.sent = echo_sent,
	.writable = echo_writable,
	.ended = echo_ended,
	.closed = echo_closed,
};

static void echo_accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct t_echo *echo = user;
	struct t_echo_conn *c = calloc(1, sizeof *c);

	assert_ptr_equal(listener, echo->listener);
	assert_non_null(c);
	c->ops = &conn_ops;
	c->echo = echo;
	c->s = s;
	c->wait_tail = &c->wait_head;
	c->next = echo->conns;
	c->link = &echo->conns;
	if (c->next)
		c->next->link = &c->next;
	echo->conns = c;
	echo->open++;
	weir_sock_set_ops(s, &conn_ops, c);
}

static void listener_closed(struct weir_sock *s, void *user)
{
	struct t_echo *echo = user;

	assert_ptr_equal(s, echo->listener);
	echo->listener = NULL;
}

static const struct weir_sock_ops listener_ops = {
	.accepted = echo_accepted,
	.closed = listener_closed,
};

void t_echo_open(struct t_echo *echo, struct weir_engine *e, const char *address,
		 const struct weir_sock_opts *opts)
{
	struct weir_error err = { 0 };

	memset(echo, 0, sizeof *echo);
	echo->ops = &listener_ops;
	echo->e = e;
	if (weir_listen(e, address, &listener_ops, echo, opts, &echo->listener, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("listen on %s", address);
	}
}

void t_echo_close(struct t_echo *echo)
{
	weir_sock_close(echo->listener);
	for (struct t_echo_conn *c = echo->conns; c; c = c->next)
		weir_sock_close(c->s);
	t_until(echo->e, !echo->listener && !echo->open);
}
