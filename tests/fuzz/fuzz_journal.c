/* SPDX-License-Identifier: MIT */
/*
 * fuzz_journal.c - the text of a journal of NIC changes.
 *
 * Theory: the sum over the file would stop every altered one, so it is put right here; the file as
 * it came must be refused, but for one whose sum is right.  What is read is written, read and
 * written again: the same text.  What is refused leaves the journal empty and says why.
 */
#include "fuzz.h"

/* The part under test: its sum is needed here. */
#include "../../src/nic/journal_text.c"

#define WHY_BYTES 200

static struct nic_ctx ctx = {
	.ifname = "fuzz0", .ifindex = 7, .netns_cookie = 0x1f, .ioctl_fd = -1
};
static const struct nic_journal_how how = { &nic_kinds, 1000, 300, false };

static struct nic_journal journal_empty(void)
{
	struct nic_journal j = { .ctx = &ctx, .how = &how, .folder_fd = -1, .lock_fd = -1 };

	snprintf(j.boot, sizeof(j.boot), "a boot");
	snprintf(j.driver, sizeof(j.driver), "fuzz");
	return j;
}

static char *with_sum(const uint8_t *data, size_t size, size_t *retbytes)
{
	char *text = malloc(size + END_BYTES + 1);

	must(text);
	if (size)
		memcpy(text, data, size);
	snprintf(text + size, END_BYTES + 1, "end check=%016" PRIx64 "\n", check_sum(text, size));
	*retbytes = size + END_BYTES;
	return text;
}

static void again(struct nic_journal *j)
{
	struct nic_journal second = journal_empty();
	char why[WHY_BYTES] = "", *one, *two;
	size_t one_bytes, two_bytes;

	must(!nic_journal_format(j, &one, &one_bytes));
	must(strlen(one) == one_bytes);
	must(!nic_journal_parse(&second, one, one_bytes, why, sizeof(why)));
	must(!nic_journal_format(&second, &two, &two_bytes));
	must(one_bytes == two_bytes && !memcmp(one, two, one_bytes));
	must(second.last_owner == j->last_owner && second.last_seq == j->last_seq);
	nic_journal_clear(&second);
	free(one);
	free(two);
}

static void parse(const char *text, size_t bytes)
{
	struct nic_journal j = journal_empty();
	char why[WHY_BYTES] = "";
	int r = nic_journal_parse(&j, text, bytes, why, sizeof(why));

	must(r == 0 || r == -EBADMSG);
	if (r) {
		must(why[0] && strlen(why) < sizeof(why));
		must(!j.owners && !j.settings && !j.objects && !j.last_owner && !j.last_seq);
		return;
	}
	again(&j);
	nic_journal_clear(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bytes;
	char *text;

	text = fuzz_text(data, size);
	parse(text, size);
	free(text);
	text = with_sum(data, size, &bytes);
	parse(text, bytes);
	free(text);
	return 0;
}
