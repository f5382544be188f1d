// SPDX-License-Identifier: MIT
/*
 * doctor_json.c - what weir doctor found, for programs.
 *
 * Theory: one object; keys of features and ways are fixed words, texts are those of the text form.
 *	Numbers that are not known are null.
 * Invariants: 1. the keys of features are those of doctor_features.
 * Ownership: the tree is built and freed here.
 * Threads: one.
 * Errors: -ENOMEM; nothing is printed then.
 * Sources: cJSON's header.
 * Tests: tests/cli/doctor.sh
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include <weir/weir.h>

#include "doctor.h"
#include "weir_tool.h"

/* As text where it does not fit a double. */
static void add_u64(cJSON *to, const char *key, uint64_t value, bool known)
{
	if (known)
		cJSON_AddNumberToObject(to, key, (double)value);
	else
		cJSON_AddNullToObject(to, key);
}

static void add_features(cJSON *to, const struct weir_probe *p)
{
	cJSON *all = cJSON_AddObjectToObject(to, "features");

	for (const struct doctor_feature *f = doctor_features; f->key; f++) {
		cJSON *one = cJSON_AddObjectToObject(all, f->key);
		int code = p->code[__builtin_ctzll(f->can)];
		const char *name, *error;
		char text[256];
		bool there = weir_probe_why(p, f->can, &name, text, sizeof(text));

		error = there ? NULL : strerrorname_np(-code);
		cJSON_AddStringToObject(one, "name", name);
		cJSON_AddBoolToObject(one, "there", there);
		cJSON_AddStringToObject(one, "text", text);
		if (error)
			cJSON_AddStringToObject(one, "error", error);
	}
}

static void add_limits(cJSON *to, const struct weir_probe *p)
{
	cJSON *limits = cJSON_AddObjectToObject(to, "limits");

	add_u64(limits, "memlock_bytes", p->memlock_bytes, p->memlock_bytes != UINT64_MAX);
	cJSON_AddBoolToObject(limits, "memlock_unlimited", p->memlock_bytes == UINT64_MAX);
	add_u64(limits, "io_uring_disabled", (uint64_t)p->io_uring_disabled,
		p->io_uring_disabled >= 0);
	add_u64(limits, "seccomp", (uint64_t)p->seccomp, p->seccomp >= 0);
	cJSON_AddStringToObject(limits, "container", p->container);
	if (p->first_userns >= 0)
		cJSON_AddBoolToObject(limits, "first_user_namespace", p->first_userns);
	else
		cJSON_AddNullToObject(limits, "first_user_namespace");
	add_u64(limits, "huge_page_bytes", p->huge_page_bytes, true);
	add_u64(limits, "huge_pages_free", p->huge_pages_free, true);
	add_u64(limits, "cpus", p->cpus, true);
}

static void add_faults(cJSON *to, const struct doctor_report *r)
{
	cJSON *all = cJSON_AddArrayToObject(to, "faults");
	const struct doctor_fault *fault;
	char version[32];
	unsigned at = 0;

	doctor_kernel_version(r->probe.release, r->version, version, sizeof(version));
	while ((fault = doctor_fault(&at, version))) {
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "id", fault->id);
		cJSON_AddStringToObject(one, "in", fault->feature);
		cJSON_AddStringToObject(one, "fixed", fault->fixed);
		cJSON_AddStringToObject(one, "text", fault->text);
		cJSON_AddItemToArray(all, one);
	}
}

static cJSON *add_verdict(cJSON *to, int way, const struct weir_verdict *v)
{
	cJSON *one = cJSON_AddObjectToObject(to, doctor_way_names[way]);

	cJSON_AddBoolToObject(one, "can", v->can);
	cJSON_AddBoolToObject(one, "now", v->now);
	cJSON_AddBoolToObject(one, "unsure", v->unsure);
	cJSON_AddStringToObject(one, "why", v->why);
	cJSON_AddStringToObject(one, "fix", v->fix);
	return one;
}

static void add_queue(cJSON *to, const struct doctor_queue *q)
{
	cJSON *one = cJSON_CreateObject(), *zcrx;

	cJSON_AddNumberToObject(one, "queue", q->index);
	cJSON_AddStringToObject(one, "gets", doctor_way_names[doctor_best(q->way)]);
	zcrx = add_verdict(one, WEIR_WAY_ZCRX, &q->way[WEIR_WAY_ZCRX]);
	cJSON_AddBoolToObject(zcrx, "tried", q->tried);
	for (int way = WEIR_WAY_XDP; way < DOCTOR_WAYS; way++)
		add_verdict(one, way, &q->way[way]);
	cJSON_AddItemToArray(to, one);
}

static void add_iface(cJSON *to, const struct doctor_iface *f)
{
	cJSON *one = cJSON_CreateObject(), *queues;
	char text[640];

	cJSON_AddItemToArray(to, one);
	cJSON_AddStringToObject(one, "name", f->name);
	if (f->err.code)
		cJSON_AddStringToObject(one, "error",
					weir_error_format(&f->err, text, sizeof(text)));
	if (!f->info)
		return;
	cJSON_AddStringToObject(one, "driver", f->info->driver);
	cJSON_AddStringToObject(one, "kind", f->info->kind);
	cJSON_AddBoolToObject(one, "nic", doctor_is_nic(f->info));
	cJSON_AddBoolToObject(one, "up", f->info->up);
	cJSON_AddBoolToObject(one, "carrier", f->info->carrier);
	cJSON_AddNumberToObject(one, "mtu_bytes", f->info->mtu_bytes);
	cJSON_AddNumberToObject(one, "rx_queues", f->info->rx_queues);
	cJSON_AddStringToObject(one, "carries", f->info->carries);
	queues = cJSON_AddArrayToObject(one, "queues");
	for (unsigned i = 0; i < f->queue_count; i++)
		add_queue(queues, &f->queues[i]);
}

int doctor_print_json(const struct doctor_report *r)
{
	cJSON *root = cJSON_CreateObject(), *part;

	cJSON_AddStringToObject(root, "weir", weir_version());
	part = cJSON_AddObjectToObject(root, "kernel");
	cJSON_AddStringToObject(part, "release", r->probe.release);
	cJSON_AddStringToObject(part, "version", r->version);
	add_features(root, &r->probe);
	add_limits(root, &r->probe);
	add_faults(root, r);
	part = cJSON_AddObjectToObject(root, "ways");
	for (int way = WEIR_WAY_URING; way < DOCTOR_WAYS; way++)
		add_verdict(part, way, &r->plain[way]);
	part = cJSON_AddArrayToObject(root, "interfaces");
	for (unsigned i = 0; i < r->iface_count; i++)
		add_iface(part, &r->ifaces[i]);
	if (r->require >= 0) {
		part = cJSON_AddObjectToObject(root, "require");
		cJSON_AddStringToObject(part, "way", doctor_way_names[r->require]);
		cJSON_AddBoolToObject(part, "met", r->met);
		cJSON_AddStringToObject(part, "why", r->unmet);
	}
	return tool_print_json("weir doctor", root);
}
