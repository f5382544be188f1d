// SPDX-License-Identifier: MIT
/*
 * kmsg.c - the kernel's log after each test.
 *
 * Theory: /dev/kmsg gives one record per read, from where this reader last was.  A record is bad
 * where its priority is error or worse, or where it matches a line of /kmsg.bad, and good again
 * where it matches a line of /kmsg.allow; both are lists of extended regular expressions, each
 * followed by a tab and a reason.  With a bad record, what follows it is shown too, because a
 * warning is one line and its trace is forty.
 *
 * Sources: Documentation/ABI/testing/dev-kmsg of Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

#define PATTERNS_MAX 100
#define PRIORITY_ERROR 3
#define TRACE_LINES 60

struct patterns {
	regex_t expression[PATTERNS_MAX];
	unsigned count;
};

static struct patterns bad, allowed;
static int kmsg_fd = -1;
static bool broken; /* a list is not as it should be: what is bad may pass */

static void patterns_read(struct patterns *list, const char *path)
{
	char *text = file_read(path, NULL), *at = text, *line;

	broken |= !text;
	while (text && (line = strsep(&at, "\n")) != NULL) {
		line[strcspn(line, "\t")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		if (list->count == PATTERNS_MAX ||
		    regcomp(&list->expression[list->count], line, REG_EXTENDED | REG_NOSUB)) {
			say("| %s: bad expression or too many: %s", path, line);
			broken = true;
			continue;
		}
		list->count++;
	}
	free(text);
}

static bool patterns_match(const struct patterns *list, const char *text)
{
	for (unsigned i = 0; i < list->count; i++)
		if (regexec(&list->expression[i], text, 0, NULL, 0) == 0)
			return true;
	return false;
}

void kmsg_open(void)
{
	patterns_read(&bad, "/kmsg.bad");
	patterns_read(&allowed, "/kmsg.allow");
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd < 0)
		say("not ok 0 - /dev/kmsg cannot be opened: %s", strerror(errno));
}

/*
 * The text of the next record; NULL at the end.  retlost is set where records were overwritten
 * before they were read, which hides what may have been bad.
 */
static char *next_record(char *record, size_t room, int *retpriority, bool *retlost)
{
	for (;;) {
		ssize_t len = read(kmsg_fd, record, room - 1);
		char *text;

		if (len < 0 && errno == EPIPE) {
			*retlost = true;
			continue;
		}
		if (len <= 0)
			return NULL;
		record[len] = '\0';
		record[strcspn(record, "\n")] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		*retpriority = (int)(strtoul(record, NULL, 10) & 7);
		return text + 1;
	}
}

/* Read what is new, show what is bad (or everything), and return how many records are bad. */
unsigned kmsg_scan(bool show_all)
{
	unsigned bad_count = 0, follow = 0;
	bool lost = false;
	char record[8192], *text;
	int priority;

	if (kmsg_fd < 0 || broken)
		return 1;
	while ((text = next_record(record, sizeof(record), &priority, &lost)) != NULL) {
		bool is_bad = (priority <= PRIORITY_ERROR || patterns_match(&bad, text)) &&
			      !patterns_match(&allowed, text);

		if (is_bad) {
			bad_count++;
			follow = TRACE_LINES;
		}
		if (is_bad || follow || show_all)
			say_text(is_bad ? "K! " : "K  ", text, strlen(text));
		if (follow)
			follow--;
	}
	if (lost) {
		say("K! records of the kernel's log were lost before they were read");
		bad_count++;
	}
	return bad_count;
}
