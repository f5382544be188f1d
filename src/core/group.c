// SPDX-License-Identifier: MIT
/*
 * group.c - engines that share listening ports: each connection goes to the engine that owns the
 * NIC queue its packets come by.
 *
 * Theory: the engines of a group listen on one address each with a socket of its own
 *	(SO_REUSEPORT), and the kernel gives a new connection to any of them.  What queue its
 *	packets come by is known from its NAPI id:
 *
 *	    accepted by A ── NAPI id is A's, nobody's, or 0 ──> stays
 *	                  └─ is B's, B listens there, too ───> message to B ──> B's listener has it
 *
 *	A knows only copies of the other engines' queues, their NAPI ids and the addresses they
 *	listen on, all under the group's lock.  NAPIs get other ids when a NIC's link or its number
 *	of channels changes, which nobody is told.  So where an id is nobody's, A reads the ids of
 *	the members' NICs anew, for all members; an id that is then found at a queue which none of
 *	them has is remembered, for connections that come by it to cost no reading each:
 *
 *	    id ── a member's ──> that one
 *	       ├─ strange ─────> nobody's
 *	       └─ else: read ──> a member's | strange | not there (a loopback, another NIC: again
 *	                                                           after a while)
 *
 *	B's own thread looks its listener up when the message comes,
 *	because it may be closed by then: the connection goes on to whoever else listens on the
 *	address, and is closed only where nobody does.  An engine leaves the group before it
 *	closes: from then on nothing is posted to it, and what had been posted goes on likewise.
 *
 *	The NAPI id needs no waiting.  A new connection is locked from its making until the packet
 *	that completed it has been looked at, of which the first step is to note the NAPI id; and
 *	accept() locks the connection before it returns.  0 is for packets that came by no NAPI:
 *	over loopback, from a tunnel of user space.  (56,000 connections accepted as fast as can
 *	be, on Linux 7.2 and 7.3, had an id each.)
 * Invariants: 1. messages are posted under the lock, to members only: an engine that has left
 *	gets none.  2. a connection moves by its NAPI id once; what is passed on enters where it
 *	comes.  3. doors and members change under the lock, by their engine's thread; that thread
 *	reads its own doors without it.  4. ids change under the lock, by any thread.
 * Ownership: the group is counted: its maker and each member.  A descriptor on its way belongs to
 *	its message, which the receiver frees.
 * Threads: any for new and free; the rest the engine's.  The lock is held for look-ups in short
 *	lists, once per connection, and nothing blocks under it: NICs are read without it.
 * Errors: where no memory is left for the message the connection stays where it was accepted.
 * Sources: inet_accept(), tcp_child_process(), tcp_fastopen_create_child(): the NAPI id of a new
 *	connection; sk_getsockopt(): SO_INCOMING_NAPI_ID (Linux 7.3); socket(7): SO_REUSEPORT.
 * Tests: tests/unit/test_group.c, tests/unit/test_threads_group.c, tests/vm/t/zcrx_group.sh
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/ifq.h>
#include <weir/nic.h>

#include "../util/util.h"
#include "core.h"

#define WAITING_MAX SOMAXCONN /* connections that a paused listener keeps, as the kernel would */
#define STRANGE_MAX 16
#define NICS_MAX 8
#define READ_AGAIN_NS 10000000ull

/**
 * struct traveller - a connection on its way to another engine.
 * @msg: the message; first.
 * @fd: the connection.
 * @at: address of the listeners that it may enter by.
 */
struct traveller {
	struct weir_msg msg;
	int fd;
	struct weir_addr at;
};

/**
 * struct door - a listener that other engines of the group may give connections to.
 * @next: of the same member.
 * @sock: the listener; only its engine's thread follows the pointer.
 * @at: the address it listens on.
 * @waiting: what came while it was paused; its engine's thread's alone.
 * @waiting_tail: end of that list.
 * @waiting_count: its length.
 */
struct door {
	struct door *next;
	struct weir_sock *sock;
	struct weir_addr at;
	struct weir_msg *waiting, **waiting_tail;
	unsigned waiting_count;
};

/**
 * struct member_queue - a NIC queue of a member.
 * @napi_id: as last read, by whomever.
 * @ifindex: its NIC; 0: without one.
 * @queue: its number.
 * @ifname: name of the NIC.
 */
struct member_queue {
	uint32_t napi_id;
	uint32_t ifindex;
	uint32_t queue;
	char ifname[16];
};

/**
 * struct weir_member - an engine of a group.
 * @next: of the group.
 * @group: the group, referenced.
 * @engine: the engine; only posted to.
 * @queues: its queues.
 * @queue_count: their number.
 * @doors: its listeners.
 */
struct weir_member {
	struct weir_member *next;
	struct weir_group *group;
	struct weir_engine *engine;
	struct member_queue queues[WEIR_IFQS_MAX];
	unsigned queue_count;
	struct door *doors;
};

/**
 * struct strange - an id that no member has.
 * @id: the id.
 * @again_ns: when to look for it again: never, where a queue of others has it.
 */
struct strange {
	uint32_t id;
	uint64_t again_ns;
};

/**
 * struct weir_group - engines that share listening ports.
 * @lock: for all of it.
 * @refs: the maker's and one per member.
 * @members: the engines.
 * @strange: ids that were nobody's.
 * @strange_next: where the next one goes.
 */
struct weir_group {
	pthread_mutex_t lock;
	unsigned refs;
	struct weir_member *members;
	struct strange strange[STRANGE_MAX];
	unsigned strange_next;
};

static uint32_t ask_kernel(int fd)
{
	int id = 0;
	socklen_t len = sizeof(id);

	/* A kernel without busy polling does not know the option, and has no NAPI ids. */
	if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &len))
		return 0;
	return (uint32_t)id;
}

uint32_t (*weir_group_napi_id)(int fd) = ask_kernel;

int weir_group_new(struct weir_group **ret, struct weir_error *reterr)
{
	struct weir_group *g;

	if (!ret)
		return weir_error_set(reterr, -EINVAL, "weir_group_new", "ret",
				      "it must not be NULL");
	g = calloc(1, sizeof(*g));
	if (!g)
		return weir_error_set(reterr, -ENOMEM, "weir_group_new", NULL, NULL);
	pthread_mutex_init(&g->lock, NULL);
	g->refs = 1;
	*ret = g;
	return 0;
}

void weir_group_free(struct weir_group *group)
{
	unsigned left;

	if (!group)
		return;
	pthread_mutex_lock(&group->lock);
	left = --group->refs;
	pthread_mutex_unlock(&group->lock);
	if (left)
		return;
	pthread_mutex_destroy(&group->lock);
	free(group);
}

int weir_group_join(struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_group *g = e->c.opts.group;
	struct weir_member *m;

	if (!g)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return weir_error_set(reterr, -ENOMEM, "weir_group", NULL, NULL);
	m->group = g;
	m->engine = e;
	pthread_mutex_lock(&g->lock);
	g->refs++;
	m->next = g->members;
	g->members = m;
	pthread_mutex_unlock(&g->lock);
	e->member = m;
	return 0;
}

void weir_core_napi_changed(struct weir_engine *e)
{
	struct weir_member *m = e->member;

	if (!m)
		return;
	pthread_mutex_lock(&m->group->lock);
	for (unsigned i = 0; i < e->c.ifq_count; i++) {
		struct member_queue *q = &m->queues[i];
		struct weir_ifq_info info = { .no_nic = true };

		if (e->c.ops && e->c.ops->ifq)
			(void)e->c.ops->ifq(e, i, &info, NULL);
		q->napi_id = e->c.napi_ids[i];
		q->ifindex = info.no_nic ? 0 : info.ifindex;
		q->queue = info.queue;
		memcpy(q->ifname, info.ifname, sizeof(q->ifname));
	}
	m->queue_count = e->c.ifq_count;
	pthread_mutex_unlock(&m->group->lock);
}

/* Under the lock. */
static struct weir_member *member_with(const struct weir_group *g, uint32_t id)
{
	for (struct weir_member *m = g->members; m; m = m->next)
		for (unsigned i = 0; i < m->queue_count; i++)
			if (m->queues[i].napi_id == id)
				return m;
	return NULL;
}

/* ---- ids that nobody has ---- */

/* Under the lock: is it worth a look at the NICs? */
static bool is_new(const struct weir_group *g, uint32_t id)
{
	for (unsigned i = 0; i < STRANGE_MAX; i++)
		if (g->strange[i].id == id)
			return weir_clock_ns() >= g->strange[i].again_ns;
	return true;
}

/* Under the lock: nobody has it, and perhaps a queue of others has. */
static void remember(struct weir_group *g, uint32_t id, bool others)
{
	unsigned i = 0;

	while (i < STRANGE_MAX && g->strange[i].id != id)
		i++;
	if (i == STRANGE_MAX)
		i = g->strange_next++ % STRANGE_MAX;
	g->strange[i].id = id;
	g->strange[i].again_ns = others ? UINT64_MAX : weir_clock_ns() + READ_AGAIN_NS;
}

/* Under the lock: the NICs of all members, each once. */
static unsigned list_nics(const struct weir_group *g, char names[NICS_MAX][16])
{
	unsigned n = 0, k;

	for (const struct weir_member *m = g->members; m; m = m->next)
		for (unsigned i = 0; i < m->queue_count && n < NICS_MAX; i++) {
			for (k = 0; k < n && strcmp(names[k], m->queues[i].ifname) != 0; k++)
				;
			if (k == n && m->queues[i].ifindex)
				memcpy(names[n++], m->queues[i].ifname, 16);
		}
	return n;
}

/* Under the lock: what was read of a NIC; true where @id is one of its queues'. */
static bool take_ids(struct weir_group *g, const struct weir_nic_info *info, uint32_t id)
{
	const struct weir_nic_queue *q;
	bool found = false;

	for (struct weir_member *m = g->members; m; m = m->next)
		for (unsigned i = 0; i < m->queue_count; i++) {
			struct member_queue *mine = &m->queues[i];

			q = mine->ifindex == info->ifindex ?
				    weir_nic_info_queue(info, mine->queue) :
				    NULL;
			if (q)
				mine->napi_id = q->napi_id;
		}
	for (unsigned i = 0; (q = weir_nic_info_queue(info, i)); i++)
		found |= q->napi_id == id;
	return found;
}

/* Nobody has @id: is it new?  Whoever accepts a connection asks, the lock is not held. */
static void read_nics(struct weir_group *g, uint32_t id)
{
	const struct weir_nic_info *info;
	char names[NICS_MAX][16];
	bool found = false;
	unsigned n;

	pthread_mutex_lock(&g->lock);
	n = is_new(g, id) ? list_nics(g, names) : 0;
	pthread_mutex_unlock(&g->lock);
	for (unsigned i = 0; i < n; i++) {
		if (weir_nic_info_read(&info, names[i], NULL))
			continue;
		pthread_mutex_lock(&g->lock);
		found |= take_ids(g, info, id);
		pthread_mutex_unlock(&g->lock);
		weir_nic_info_free(info);
	}
	if (!n)
		return;
	pthread_mutex_lock(&g->lock);
	if (!member_with(g, id))
		remember(g, id, found);
	pthread_mutex_unlock(&g->lock);
}

static bool same_addr(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->len == b->len && !memcmp(&a->storage, &b->storage, a->len);
}

static struct door *door_at(const struct weir_member *m, const struct weir_addr *at)
{
	for (struct door *d = m->doors; d; d = d->next)
		if (same_addr(&d->at, at))
			return d;
	return NULL;
}

static struct door *door_of(const struct weir_member *m, const struct weir_sock *listener)
{
	struct door *d = m ? m->doors : NULL;

	while (d && d->sock != listener)
		d = d->next;
	return d;
}

/* To any engine that listens there: nobody has to have its queue. */
static void pass_on(struct weir_group *g, struct traveller *t)
{
	struct weir_member *m;

	pthread_mutex_lock(&g->lock);
	for (m = g->members; m && !door_at(m, &t->at); m = m->next)
		;
	if (m)
		weir_engine_post(m->engine, &t->msg);
	pthread_mutex_unlock(&g->lock);
	if (m)
		return;
	/* As the kernel does with what a listener had not accepted when it was closed. */
	close(t->fd);
	free(t);
}

static void pass_all_on(struct weir_group *g, struct weir_msg *list)
{
	struct weir_msg *next;

	for (; list; list = next) {
		next = list->next;
		pass_on(g, (struct traveller *)list);
	}
}

static void wait_at(struct door *d, struct traveller *t)
{
	if (d->waiting_count >= WAITING_MAX) {
		close(t->fd);
		free(t);
		return;
	}
	t->msg.next = NULL;
	*d->waiting_tail = &t->msg;
	d->waiting_tail = &t->msg.next;
	d->waiting_count++;
}

static struct weir_msg *take_waiting(struct door *d)
{
	struct weir_msg *list = d->waiting;

	d->waiting = NULL;
	d->waiting_tail = &d->waiting;
	d->waiting_count = 0;
	return list;
}

static void enter(struct door *d, struct traveller *t)
{
	int fd = t->fd;

	free(t);
	weir_sock_accepted(d->sock, fd);
}

/* The message's function: it marks the message as ours and is called by post.c alone. */
static void arrive(struct weir_engine *e, struct weir_msg *msg)
{
	struct traveller *t = (struct traveller *)msg;
	struct door *d = door_at(e->member, &t->at);

	if (!d)
		pass_on(e->member->group, t);
	else if (d->sock->paused)
		wait_at(d, t);
	else
		enter(d, t);
}

bool weir_group_arrived(struct weir_engine *e, struct weir_msg *msg)
{
	if (msg->fn != arrive)
		return false;
	arrive(e, msg);
	return true;
}

/* Whose queue it is; only to be compared: the lock is not held any more. */
static const struct weir_member *find_member(struct weir_group *g, uint32_t id)
{
	const struct weir_member *m;

	pthread_mutex_lock(&g->lock);
	m = member_with(g, id);
	pthread_mutex_unlock(&g->lock);
	if (m)
		return m;
	read_nics(g, id);
	pthread_mutex_lock(&g->lock);
	m = member_with(g, id);
	pthread_mutex_unlock(&g->lock);
	return m;
}

bool weir_group_move(struct weir_sock *listener, int fd)
{
	struct weir_member *m = listener->engine->member;
	const struct weir_member *to;
	struct door *d = door_of(m, listener);
	struct traveller *t;
	uint32_t id = d ? weir_group_napi_id(fd) : 0;

	if (!id)
		return false;
	to = find_member(m->group, id);
	if (!to || to == m)
		return false;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	t->msg.fn = arrive;
	t->fd = fd;
	t->at = d->at;
	pthread_mutex_lock(&m->group->lock);
	/* It may have left meanwhile. */
	to = member_with(m->group, id);
	if (to && (to == m || !door_at(to, &d->at)))
		to = NULL;
	if (to)
		weir_engine_post(to->engine, &t->msg);
	pthread_mutex_unlock(&m->group->lock);
	if (!to) {
		free(t);
		return false;
	}
	listener->engine->c.stats.moved++;
	return true;
}

static bool listens_tcp(const struct weir_sock *s)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return s->kind == WEIR_LISTENER &&
	       !getsockopt(s->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	       protocol == IPPROTO_TCP;
}

int weir_group_add(struct weir_sock *listener, struct weir_error *reterr)
{
	struct weir_member *m = listener->engine->member;
	struct door *d;
	int r;

	if (!m || !listens_tcp(listener))
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return weir_error_set(reterr, -ENOMEM, "weir_group", NULL, NULL);
	r = weir_sock_local(listener, &d->at);
	if (r) {
		free(d);
		return weir_error_set(reterr, r, "getsockname", NULL, NULL);
	}
	d->sock = listener;
	d->waiting_tail = &d->waiting;
	pthread_mutex_lock(&m->group->lock);
	d->next = m->doors;
	m->doors = d;
	pthread_mutex_unlock(&m->group->lock);
	return 0;
}

void weir_group_remove(struct weir_sock *listener)
{
	struct weir_member *m = listener->engine->member;
	struct door *d = door_of(m, listener), **link;

	if (!d)
		return;
	pthread_mutex_lock(&m->group->lock);
	for (link = &m->doors; *link != d; link = &(*link)->next)
		;
	*link = d->next;
	pthread_mutex_unlock(&m->group->lock);
	pass_all_on(m->group, d->waiting);
	free(d);
}

void weir_group_resume(struct weir_sock *listener)
{
	struct door *d = door_of(listener->engine->member, listener);
	struct weir_msg *list = d ? take_waiting(d) : NULL, *next;

	for (; list; list = next) {
		next = list->next;
		enter(d, (struct traveller *)list);
	}
}

void weir_group_leave(struct weir_engine *e)
{
	struct weir_member *m = e->member, **link;
	struct weir_group *g;
	struct weir_msg *list;

	if (!m)
		return;
	g = m->group;
	pthread_mutex_lock(&g->lock);
	for (link = &g->members; *link != m; link = &(*link)->next)
		;
	*link = m->next;
	pthread_mutex_unlock(&g->lock);
	e->member = NULL;
	/* The application's messages are its own: it never hears of those. */
	list = weir_post_take(e);
	while (list) {
		struct weir_msg *next = list->next;

		if (list->fn == arrive)
			pass_on(g, (struct traveller *)list);
		list = next;
	}
	while (m->doors) {
		struct door *d = m->doors;

		m->doors = d->next;
		pass_all_on(g, d->waiting);
		free(d);
	}
	free(m);
	weir_group_free(g);
}
