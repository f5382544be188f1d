// SPDX-License-Identifier: MIT
/*
 * say.c - lines on the first serial line, both ways, and the clock.
 *
 * Theory: the serial line is the only way out of the VM.  A line is one write(), so that lines of
 * PID 1 and of the kernel's own console, where both use one port, never mix within a line.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define LINE_MAX_BYTES 1000

static int serial_fd = 1;

void say_open(void)
{
	struct termios settings;
	int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (tcgetattr(fd, &settings) == 0) {
		cfmakeraw(&settings);
		settings.c_oflag |= OPOST | ONLCR;
		tcsetattr(fd, TCSANOW, &settings);
	}
	serial_fd = fd;
}

static void write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(serial_fd, data, len);

		if (written <= 0)
			return;
		data += written;
		len -= (size_t)written;
	}
}

/* The host's next line, without its end, cut to the size; false where none came in time. */
bool hear(char *line, size_t size, unsigned timeout_ms)
{
	struct pollfd wait_for = { .fd = serial_fd, .events = POLLIN };
	size_t used = 0;
	char c;

	while (poll(&wait_for, 1, (int)timeout_ms) > 0 && read(serial_fd, &c, 1) == 1) {
		if (c == '\n') {
			line[used] = '\0';
			return true;
		}
		if (used < size - 1)
			line[used++] = c;
	}
	return false;
}

void say(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	write_all(line, (size_t)len);
}

/* Each line of the text with a prefix; what is not printable ASCII becomes a dot. */
void say_text(const char *prefix, const char *text, size_t len)
{
	char line[LINE_MAX_BYTES];
	size_t at = 0;

	while (at < len) {
		size_t used = strlen(prefix);

		memcpy(line, prefix, used);
		for (; at < len && text[at] != '\n' && used < sizeof(line) - 1; at++) {
			unsigned char c = (unsigned char)text[at];

			line[used++] = (c >= ' ' && c < 127) || c == '\t' ? (char)c : '.';
		}
		if (at < len && text[at] == '\n')
			at++;
		line[used++] = '\n';
		write_all(line, used);
	}
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
