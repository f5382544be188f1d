// SPDX-License-Identifier: MIT
/*
 * files.c - small files: read whole, written whole, removed.
 *
 * Theory: files of /proc and /sys have no size; they are read until their end into a growing
 * buffer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

#define READ_STEP_BYTES 4096

/* The file's content, ended by a zero byte that is not counted; NULL where it cannot be read. */
char *file_read(const char *path, size_t *retlen)
{
	size_t used = 0, room = READ_STEP_BYTES;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *data;

	if (fd < 0)
		return NULL;
	data = malloc(room + 1);
	while (data) {
		ssize_t got = read(fd, data + used, room - used);

		if (got < 0 && used == 0) {
			free(data);
			data = NULL;
			break;
		}
		if (got <= 0)
			break;
		used += (size_t)got;
		if (used == room) {
			char *larger = realloc(data, room * 2 + 1);

			if (!larger)
				break;
			data = larger;
			room *= 2;
		}
	}
	close(fd);
	if (!data)
		return NULL;
	data[used] = '\0';
	if (retlen)
		*retlen = used;
	return data;
}

bool file_write(const char *path, const char *value)
{
	size_t len = strlen(value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, value, len) == (ssize_t)len;
	close(fd);
	return good;
}

/* Everything below a folder, but not the folder. */
void file_remove_below(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder)) != NULL) {
		char inner[512];
		struct stat about;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(inner))
			continue;
		if (lstat(inner, &about) == 0 && S_ISDIR(about.st_mode)) {
			file_remove_below(inner);
			rmdir(inner);
		} else {
			unlink(inner);
		}
	}
	closedir(folder);
}
