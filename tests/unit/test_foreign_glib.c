/* SPDX-License-Identifier: MIT */
/*
 * test_foreign_glib.c - weir inside glib's main loop: g_unix_fd_add(), and a GSource of its own.
 *
 * Labels: threads
 *
 * Theory: see test_foreign.h.  Two ways in use among glib programs are tested: the ready-made
 * source for a descriptor, and a GSource with a polled descriptor, as libraries write it.
 */
#ifdef WEIR_HAVE_GLIB
#include "test_foreign.h"

#include <glib-unix.h>

struct app {
	struct foreign f;
	GMainLoop *loop;
};

static gboolean on_fd(gint fd, GIOCondition condition, gpointer user)
{
	struct app *a = user;

	(void)fd;
	assert_true(condition & G_IO_IN);
	foreign_ready(&a->f);
	if (foreign_done(&a->f))
		g_main_loop_quit(a->loop);
	return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user)
{
	struct app *a = user;

	foreign_tick(&a->f);
	return G_SOURCE_CONTINUE;
}

static gboolean on_deadline(gpointer user)
{
	(void)user;
	fail_msg("the loop ran past its deadline");
	return G_SOURCE_REMOVE;
}

/* The source of a library: knows its descriptor, dispatches the engine. */
struct weir_source {
	GSource source;
	gpointer tag;
	struct app *app;
};

static gboolean source_dispatch(GSource *source, GSourceFunc fn, gpointer user)
{
	struct weir_source *ws = (struct weir_source *)source;

	(void)fn;
	(void)user;
	if (g_source_query_unix_fd(source, ws->tag) & G_IO_IN)
		return on_fd(-1, G_IO_IN, ws->app);
	return G_SOURCE_CONTINUE;
}

static guint add_source(struct app *a, int fd, GMainContext *context)
{
	static GSourceFuncs funcs = { .dispatch = source_dispatch };
	GSource *s = g_source_new(&funcs, sizeof(struct weir_source));
	struct weir_source *ws = (struct weir_source *)s;
	guint id;

	ws->app = a;
	ws->tag = g_source_add_unix_fd(s, fd, G_IO_IN);
	id = g_source_attach(s, context);
	g_source_unref(s);
	return id;
}

static void run(enum weir_plane plane, bool own_source)
{
	struct app *a = calloc(1, sizeof *a);
	guint ids[3];
	int fd;

	assert_non_null(a);
	t_api = T_API_CALLBACKS;
	/* glib keeps a wake-up descriptor for ever: have it before descriptors are counted. */
	a->loop = g_main_loop_new(NULL, FALSE);
	fd = foreign_start(&a->f, plane);
	if (fd < 0) {
		g_main_loop_unref(a->loop);
		free(a);
		skip();
	}
	ids[0] = own_source ? add_source(a, fd, NULL) : g_unix_fd_add(fd, G_IO_IN, on_fd, a);
	ids[1] = g_timeout_add(1, on_tick, a);
	ids[2] = g_timeout_add((unsigned)(T_DEADLINE_MS * T_SLOW), on_deadline, a);
	g_main_loop_run(a->loop);
	for (unsigned i = 0; i < T_COUNT(ids); i++)
		g_source_remove(ids[i]);
	foreign_end(&a->f);
	g_main_loop_unref(a->loop);
	free(a);
}

static void epoll_fd_source(void **state)
{
	(void)state;
	run(WEIR_PLANE_EPOLL, false);
}

static void uring_fd_source(void **state)
{
	(void)state;
	run(WEIR_PLANE_URING, false);
}

static void epoll_own_source(void **state)
{
	(void)state;
	run(WEIR_PLANE_EPOLL, true);
}

static void uring_own_source(void **state)
{
	(void)state;
	run(WEIR_PLANE_URING, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(epoll_fd_source),
		T_CASE(uring_fd_source),
		T_CASE(epoll_own_source),
		T_CASE(uring_own_source),
	};

	/* The default context's own descriptors come with its first use. */
	g_main_context_iteration(NULL, FALSE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include <stdio.h>

int main(void)
{
	printf("skipped: built without glib (install libglib2.0-dev)\n");
	return 77;
}
#endif
