// SPDX-License-Identifier: MIT
/*
 * journal_text.c - the text of a journal: writing and reading it.
 *
 * Theory: one record per line, its kind first, then fields in a fixed order.  Texts stand in
 *	quotation marks; a quotation mark and a backslash have a backslash before them, bytes that
 *	are not printable ASCII are written as \xHH.
 *
 *	  weir-nic-journal 1
 *	  boot id="0cd7..." driver="mlx5_core"
 *	  interface name="eth0" index=3 netns=1f
 *	  last owner=2 change=7
 *	  owner id=2 pid=812 start=90211 pidns=4026531836 name="weir"
 *	  setting kind="rss" key="" base="default" set="default" next="0,1,2,0,1,2"
 *	  want owner=2 change=6 value="away 3"
 *	  object owner=2 change=7 kind="rule" spec="tcp4 dst-port 80 queue 3" handle="1023"
 *	  end check=83f0c1d2a4b5c6d7
 *
 *	A want belongs to the setting before it.  "next" is there while a change is under way; an
 *	object that is being made has "before" in place of "handle".  The last line has a sum over
 *	all bytes before it, so that a file that was cut or altered is never taken for a good one: a
 *	wrong "base" would be written to the NIC.
 * Invariants: 1. what nic_journal_format() writes, nic_journal_parse() reads to the same journal.
 *	2. one byte that is another one gives -EBADMSG, wherever it is (each step of FNV-1a is a
 *	bijection of its state), and so does, but for one case in 2^64, any other damage.  3. after
 *	a failure the journal is empty.
 * Ownership: the journal owns what was read; the caller owns the text.
 * Threads: one object by one thread.
 * Errors: -EBADMSG with the line and what is wrong with it; -ENOMEM.
 * Sources: the FNV-1a hash by Fowler, Noll and Vo (64 bits).
 * Tests: tests/unit/test_nic_journal.c
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define HEAD "weir-nic-journal 1\n"
#define END_BYTES (sizeof("end check=0123456789abcdef\n") - 1)

static uint64_t check_sum(const char *text, size_t bytes)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < bytes; i++) {
		sum ^= (unsigned char)text[i];
		sum *= 0x100000001b3ull;
	}
	return sum;
}

/* ---------------------------------------------------------------------- writing */

static void put_text(FILE *f, const char *name, const char *value)
{
	fprintf(f, " %s=\"", name);
	for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(f, "\\%c", *c);
		else if (*c < 0x20 || *c > 0x7e)
			fprintf(f, "\\x%02x", *c);
		else
			fputc(*c, f);
	}
	fputc('"', f);
}

static void put_setting(FILE *f, const struct nic_setting *s)
{
	fputs("setting", f);
	put_text(f, "kind", s->kind->name);
	put_text(f, "key", s->key);
	put_text(f, "base", s->base);
	put_text(f, "set", s->set);
	if (s->intended)
		put_text(f, "next", s->intended);
	fputc('\n', f);
	for (const struct nic_want *w = s->wants; w; w = w->next) {
		fprintf(f, "want owner=%u change=%" PRIu64, w->owner, w->seq);
		put_text(f, "value", w->value);
		fputc('\n', f);
	}
}

static void put_object(FILE *f, const struct nic_object *o)
{
	fprintf(f, "object owner=%u change=%" PRIu64, o->owner, o->seq);
	put_text(f, "kind", o->kind->name);
	put_text(f, "spec", o->spec);
	put_text(f, o->handle ? "handle" : "before", o->handle ? o->handle : o->before);
	fputc('\n', f);
}

static void put_journal(FILE *f, const struct nic_journal *j)
{
	fputs(HEAD "boot", f);
	put_text(f, "id", j->boot);
	put_text(f, "driver", j->driver);
	fputs("\ninterface", f);
	put_text(f, "name", j->ctx->ifname);
	fprintf(f, " index=%u netns=%" PRIx64 "\n", j->ctx->ifindex, j->ctx->netns_cookie);
	fprintf(f, "last owner=%u change=%" PRIu64 "\n", j->last_owner, j->last_seq);
	for (const struct nic_owner_node *o = j->owners; o; o = o->next) {
		fprintf(f, "owner id=%u pid=%d start=%" PRIu64 " pidns=%" PRIu64, o->pub.id,
			o->pub.pid, o->pub.start_ticks, o->pub.pidns);
		put_text(f, "name", o->pub.name);
		fputc('\n', f);
	}
	for (const struct nic_setting *s = j->settings; s; s = s->next)
		put_setting(f, s);
	for (const struct nic_object *o = j->objects; o; o = o->next)
		put_object(f, o);
}

int nic_journal_format(const struct nic_journal *j, char **ret, size_t *retbytes)
{
	char *text = NULL;
	size_t bytes = 0;
	bool failed;
	FILE *f = open_memstream(&text, &bytes);

	if (!f)
		return -ENOMEM;
	put_journal(f, j);
	failed = fflush(f) || ferror(f);
	if (!failed)
		fprintf(f, "end check=%016" PRIx64 "\n", check_sum(text, bytes));
	if (fclose(f) || failed) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*retbytes = bytes;
	return 0;
}

/* ---------------------------------------------------------------------- reading */

/**
 * struct reader - where the reading is.
 * @at: next byte; a NUL stands at the end of the text.
 * @line: number of its line.
 * @code: 0, or why reading ended.
 * @what: what was not right.
 */
struct reader {
	const char *at;
	unsigned line;
	int code;
	const char *what;
};

static void fail(struct reader *r, int code, const char *what)
{
	if (r->code)
		return;
	r->code = code;
	r->what = what;
}

/* Is this next?  Then it is passed over. */
static bool passes(struct reader *r, const char *literal)
{
	size_t len = strlen(literal);

	if (r->code || strncmp(r->at, literal, len) != 0)
		return false;
	r->at += len;
	return true;
}

static void expect(struct reader *r, const char *literal)
{
	if (passes(r, literal)) {
		if (*literal == '\n')
			r->line++;
		return;
	}
	fail(r, -EBADMSG, *literal == '\n' ? "end of the line" : literal);
}

static uint64_t get_number(struct reader *r, const char *field, int base, uint64_t max)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";
	unsigned long long value;
	size_t len;
	char text[24];

	expect(r, field);
	if (r->code)
		return 0;
	len = strspn(r->at, digits);
	if (len == 0 || len > 20) {
		fail(r, -EBADMSG, field);
		return 0;
	}
	memcpy(text, r->at, len);
	text[len] = '\0';
	r->at += len;
	errno = 0;
	value = strtoull(text, NULL, base);
	if (errno || value > max) {
		fail(r, -EBADMSG, field);
		return 0;
	}
	return value;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One byte of a text; -1: its end, or what cannot be. */
static int get_char(struct reader *r)
{
	int high, low;

	if (*r->at != '\\')
		return *r->at >= 0x20 && *r->at <= 0x7e && *r->at != '"' ? *r->at++ : -1;
	if (r->at[1] == '"' || r->at[1] == '\\') {
		r->at += 2;
		return r->at[-1];
	}
	if (r->at[1] != 'x')
		return -1;
	high = hex_digit(r->at[2]);
	low = high < 0 ? -1 : hex_digit(r->at[3]);
	if (low < 0 || high + low == 0)
		return -1;
	r->at += 4;
	return high << 4 | low;
}

/* A field like ' name="'; the caller frees what it gets, NULL after a failure. */
static char *get_text(struct reader *r, const char *field)
{
	size_t n = 0;
	char *text;
	int c;

	expect(r, field);
	if (r->code)
		return NULL;
	text = malloc(strcspn(r->at, "\n") + 1);
	if (!text) {
		fail(r, -ENOMEM, field);
		return NULL;
	}
	while ((c = get_char(r)) >= 0)
		text[n++] = (char)c;
	text[n] = '\0';
	if (*r->at != '"') {
		fail(r, -EBADMSG, field);
		free(text);
		return NULL;
	}
	r->at++;
	return text;
}

static void get_short_text(struct reader *r, const char *field, char *buf, size_t bytes)
{
	char *text = get_text(r, field);

	buf[0] = '\0';
	if (text && strlen(text) >= bytes)
		fail(r, -EBADMSG, field);
	else if (text)
		memcpy(buf, text, strlen(text) + 1);
	free(text);
}

static void get_owner(struct reader *r, struct nic_journal *j)
{
	struct nic_owner_node *o = calloc(1, sizeof(*o)), **end = &j->owners;

	if (!o) {
		fail(r, -ENOMEM, "owner");
		return;
	}
	o->pub.id = (uint32_t)get_number(r, " id=", 10, j->last_owner);
	o->pub.pid = (int32_t)get_number(r, " pid=", 10, INT32_MAX);
	o->pub.start_ticks = get_number(r, " start=", 10, UINT64_MAX);
	o->pub.pidns = get_number(r, " pidns=", 10, UINT64_MAX);
	get_short_text(r, " name=\"", o->pub.name, sizeof(o->pub.name));
	expect(r, "\n");
	if (!o->pub.id || nic_journal_find_owner(j, o->pub.id))
		fail(r, -EBADMSG, "number of an owner");
	while (*end)
		end = &(*end)->next;
	*end = o;
}

static void get_wants(struct reader *r, struct nic_journal *j, struct nic_setting *s)
{
	while (passes(r, "want")) {
		uint32_t owner = (uint32_t)get_number(r, " owner=", 10, UINT32_MAX);
		uint64_t seq = get_number(r, " change=", 10, j->last_seq);
		char *value = get_text(r, " value=\"");

		expect(r, "\n");
		if (!nic_journal_find_owner(j, owner) || nic_setting_find_want(s, owner))
			fail(r, -EBADMSG, "owner of a setting");
		if (!r->code && !nic_setting_add_want(s, owner, seq, value))
			fail(r, -ENOMEM, "want");
		free(value);
	}
	if (!s->wants)
		fail(r, -EBADMSG, "owner of a setting");
}

static const struct nic_setting_kind *setting_kind(const struct nic_journal *j, const char *name)
{
	const struct nic_kinds *kinds = j->how->kinds;

	for (unsigned i = 0; name && i < kinds->setting_count; i++)
		if (!strcmp(kinds->settings[i]->name, name))
			return kinds->settings[i];
	return NULL;
}

static const struct nic_object_kind *object_kind(const struct nic_journal *j, const char *name)
{
	const struct nic_kinds *kinds = j->how->kinds;

	for (unsigned i = 0; name && i < kinds->object_count; i++)
		if (!strcmp(kinds->objects[i]->name, name))
			return kinds->objects[i];
	return NULL;
}

static void get_setting(struct reader *r, struct nic_journal *j)
{
	char *name = get_text(r, " kind=\"");
	char *key = get_text(r, " key=\"");
	char *base = get_text(r, " base=\"");
	char *set = get_text(r, " set=\"");
	char *intended = NULL;
	const struct nic_setting_kind *kind = setting_kind(j, name);
	struct nic_setting *s = NULL;

	if (*r->at == ' ')
		intended = get_text(r, " next=\"");
	expect(r, "\n");
	if (!kind || (key && nic_journal_find_setting(j, kind, key)))
		fail(r, -EBADMSG, "kind of a setting");
	if (!r->code) {
		s = nic_journal_add_setting(j, kind, key, base);
		if (!s)
			fail(r, -ENOMEM, "setting");
	}
	if (s) {
		free(s->set);
		s->set = set;
		s->intended = intended;
		set = intended = NULL;
		get_wants(r, j, s);
	}
	free(name);
	free(key);
	free(base);
	free(set);
	free(intended);
}

static void get_object(struct reader *r, struct nic_journal *j)
{
	uint32_t owner = (uint32_t)get_number(r, " owner=", 10, UINT32_MAX);
	uint64_t seq = get_number(r, " change=", 10, j->last_seq);
	char *name = get_text(r, " kind=\"");
	char *spec = get_text(r, " spec=\"");
	bool made = !strncmp(r->at, " handle=", sizeof(" handle=") - 1);
	char *state = get_text(r, made ? " handle=\"" : " before=\"");
	const struct nic_object_kind *kind = object_kind(j, name);
	struct nic_object *o = NULL;

	expect(r, "\n");
	if (!kind || !nic_journal_find_owner(j, owner))
		fail(r, -EBADMSG, "kind or owner of an object");
	if (!r->code) {
		o = nic_journal_add_object(j, kind, owner, seq, spec);
		if (!o)
			fail(r, -ENOMEM, "object");
	}
	if (o) {
		*(made ? &o->handle : &o->before) = state;
		state = NULL;
	}
	free(name);
	free(spec);
	free(state);
}

/* The lines before the first owner; true: the rest is void. */
static bool get_head(struct reader *r, struct nic_journal *j)
{
	char boot[sizeof(j->boot)], driver[sizeof(j->driver)], name[sizeof(j->ctx->ifname)];
	uint64_t ifindex, netns;

	if (!passes(r, HEAD))
		fail(r, -EBADMSG, "first line of a journal of this version of weir");
	else
		r->line++;
	expect(r, "boot");
	get_short_text(r, " id=\"", boot, sizeof(boot));
	get_short_text(r, " driver=\"", driver, sizeof(driver));
	expect(r, "\n");
	expect(r, "interface");
	get_short_text(r, " name=\"", name, sizeof(name)); /* it may have another by now */
	ifindex = get_number(r, " index=", 10, UINT32_MAX);
	netns = get_number(r, " netns=", 16, UINT64_MAX);
	expect(r, "\n");
	if (ifindex != j->ctx->ifindex || netns != j->ctx->netns_cookie)
		fail(r, -EBADMSG, "interface: this is the journal of another one");
	expect(r, "last");
	j->last_owner = (uint32_t)get_number(r, " owner=", 10, UINT32_MAX - 1);
	j->last_seq = get_number(r, " change=", 10, UINT64_MAX - 1);
	expect(r, "\n");
	return strcmp(boot, j->boot) != 0 ||
	       (driver[0] && j->driver[0] && strcmp(driver, j->driver) != 0);
}

/* Where the last line begins, if it is what it has to be; else NULL. */
static const char *find_end(const char *text, size_t bytes)
{
	const char *end = text + bytes - END_BYTES;
	char want[END_BYTES + 1];

	if (bytes < sizeof(HEAD) + END_BYTES || memchr(text, '\0', bytes))
		return NULL;
	snprintf(want, sizeof(want), "end check=%016" PRIx64 "\n",
		 check_sum(text, bytes - END_BYTES));
	return end[-1] == '\n' && !memcmp(end, want, END_BYTES) ? end : NULL;
}

int nic_journal_parse(struct nic_journal *j, const char *text, size_t bytes, char *why,
		      size_t why_bytes)
{
	struct reader r = { .at = text, .line = 1 };
	const char *end = find_end(text, bytes);
	bool is_void;

	if (!end) {
		snprintf(why, why_bytes, "it was cut or altered");
		return -EBADMSG;
	}
	is_void = get_head(&r, j);
	while (!r.code && !is_void && r.at < end) {
		if (passes(&r, "owner"))
			get_owner(&r, j);
		else if (passes(&r, "setting"))
			get_setting(&r, j);
		else if (passes(&r, "object"))
			get_object(&r, j);
		else
			fail(&r, -EBADMSG, "record");
	}
	if (!r.code && !is_void)
		return 0;
	nic_journal_clear(j);
	j->last_owner = 0;
	j->last_seq = 0;
	if (!r.code)
		return 0;
	snprintf(why, why_bytes, "line %u: not as expected: %.*s", r.line,
		 (int)strcspn(r.what, "\n"), r.what);
	return r.code;
}
