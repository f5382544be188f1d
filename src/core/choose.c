// SPDX-License-Identifier: MIT
/*
 * choose.c - which plane an engine gets, and why.
 *
 * Theory: the planes are tried in their order (best first); the first that opens is taken.  A
 *	trial is a real open: ring made, buffers registered, opcodes asked for.  Each refusal is
 *	kept as text, so that weir_engine_why() can say what would have to change.  A plane that
 *	was asked for by name is the only one tried.
 * Invariants: 1. after a failed open nothing of the plane is left.  2. never by kernel version.
 * Ownership: the engine.
 * Threads: the engine's.
 * Errors: that of the plane asked for; with AUTO that of the last one tried.
 * Sources: DESIGN, "Choosing a plane".
 * Tests: tests/contract/ (plane choice under seccomp)
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static const char *const part_names[] = {
	"accept", "recv",   "bufring", "incremental", "bundle", "minwait",
	"files",  "ringfd", "defer",   "napi",	      "lowat",	"gro",
	"gso",	  "link",   "direct",  "mixed",	      "zc",	"buffers",
};

static int part_bit(const char *name, size_t len, uint32_t *bits)
{
	for (unsigned i = 0; i < weir_array_len(part_names); i++) {
		if (strlen(part_names[i]) == len && !strncmp(part_names[i], name, len)) {
			*bits |= 1u << i;
			return 0;
		}
	}
	return -EINVAL;
}

int weir_choose_without(const char *text, uint32_t *ret, struct weir_error *reterr)
{
	uint32_t bits = 0;

	while (text && *text) {
		size_t len = strcspn(text, ",");

		if (len && part_bit(text, len, &bits))
			return weir_error_set(reterr, -EINVAL, "WEIR_WITHOUT", text,
					      "legal names: accept recv bufring incremental bundle "
					      "minwait files ringfd defer napi lowat gro gso link "
					      "direct mixed zc buffers");
		text += len + (text[len] == ',');
	}
	*ret |= bits;
	return 0;
}

static int wanted(struct weir_engine *e, enum weir_plane *want, const char **by,
		  struct weir_error *reterr)
{
	const char *env = getenv("WEIR_PLANE");

	*want = e->c.opts.plane;
	*by = "the program asked for it";
	if (*want != WEIR_PLANE_AUTO || !env || !*env)
		return 0;
	*by = "WEIR_PLANE asks for it";
	if (weir_plane_parse(env, want))
		return weir_error_set(reterr, -EINVAL, "WEIR_PLANE", env,
				      "legal values: auto epoll uring zcrx");
	return 0;
}

static int try(struct weir_engine *e, const struct weir_plane_ops *ops, struct weir_error *err)
{
	const char *fault = e->c.opts.fault;
	int r;

	e->c.ops = ops;
	e->c.up = &weir_core_up;
	e->c.parts[0] = '\0';
	if (fault && *fault) {
		r = weir_fault_wrap(e, fault, err);
		if (r)
			return r;
	}
	r = e->c.ops->open(e, err);
	e->c.zerocopy = !r && e->c.ops->zerocopy && e->c.ops->zerocopy(e);
	return r;
}

static void refusal(char *to, size_t bytes, const char *plane, const struct weir_error *err)
{
	const char *name = strerrorname_np(-err->code);
	size_t used = strlen(to);

	snprintf(to + used, bytes - used, "%s%s refused: %s %s (%s)%s%s", used ? "; " : "", plane,
		 err->stage, err->object, name ? name : "?", err->hint[0] ? ": " : "", err->hint);
}

int weir_choose_plane(struct weir_engine *e, struct weir_error *reterr)
{
	const struct weir_plane_ops *const *planes = weir_planes();
	struct weir_error err = { 0 };
	char refused[320] = "";
	enum weir_plane want;
	const char *by;
	int r = wanted(e, &want, &by, reterr);

	if (r)
		return r;
	r = weir_error_set(&err, -EINVAL, "plane", weir_plane_name(want),
			   "this libweir has the planes epoll, uring and zcrx");
	e->c.by_name = want != WEIR_PLANE_AUTO;
	for (; *planes; planes++) {
		if (want != WEIR_PLANE_AUTO && (*planes)->id != want)
			continue;
		memset(&err, 0, sizeof(err));
		r = try(e, *planes, &err);
		if (!r)
			break;
		refusal(refused, sizeof(refused), (*planes)->name, &err);
		if (r == -EINVAL && !strcmp(err.stage, "fault"))
			break;
	}
	if (r) {
		if (reterr)
			*reterr = err;
		return r;
	}
	e->plane_id = (*planes)->id;
	snprintf(e->why, sizeof(e->why), "%s: %s%s%.150s%s%s", (*planes)->name,
		 want == WEIR_PLANE_AUTO ? (refused[0] ? "" : "the best plane here") : by,
		 refused[0] ? "" : (e->c.parts[0] ? "; " : ""), e->c.parts,
		 refused[0] ? (e->c.parts[0] ? "; " : "") : "", refused);
	return 0;
}
