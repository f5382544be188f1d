/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a harness without libFuzzer: the seeds, and altered copies of them.
 *
 * Theory: the compilers of most builds have no libFuzzer.  Given files or folders, each file is one
 * input; then each is altered a few times by numbers drawn from WEIR_TEST_SEED (1 without it, so
 * that a test is the same each time).  A file of build/fuzz/crashes/ runs again this way, too:
 * where the only argument is a file, it is not altered.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX (1u << 20)
#define ALTERED_OF_EACH 100

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static uint64_t state;
static unsigned runs;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((state >> 33) % below);
}

/* Of exactly its size, so that a read beyond it is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	must(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void alter(uint8_t *data, size_t *size)
{
	for (unsigned n = 1 + draw(4); n && *size; n--) {
		uint32_t at = draw((uint32_t)*size), len;

		switch (draw(5)) {
		case 0:
			data[at] ^= (uint8_t)(1u << draw(8));
			break;
		case 1:
			data[at] = (uint8_t)draw(256);
			break;
		case 2:
			*size = at;
			break;
		case 3:
			len = draw((uint32_t)(*size - at)) + 1;
			memmove(data + at, data + at + len, *size - at - len);
			*size -= len;
			break;
		default:
			len = draw((uint32_t)(*size - at)) + 1;
			if (*size + len > INPUT_BYTES_MAX)
				break;
			memmove(data + at + len, data + at, *size - at);
			*size += len;
			break;
		}
	}
}

static void file(const char *path, unsigned altered)
{
	static uint8_t input[INPUT_BYTES_MAX], copy[INPUT_BYTES_MAX];
	FILE *f = fopen(path, "rb");
	size_t size, n;

	if (!f) {
		perror(path);
		exit(1);
	}
	size = fread(input, 1, sizeof(input), f);
	fclose(f);
	run(input, size);
	for (unsigned i = 0; i < altered; i++) {
		n = size;
		memcpy(copy, input, n);
		alter(copy, &n);
		run(copy, n);
	}
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void folder(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, is_file, alphasort);
	char name[4096];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		file(name, ALTERED_OF_EACH);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int main(int argc, char **argv)
{
	const char *seed = getenv("WEIR_TEST_SEED");
	struct stat st;

	state = seed ? strtoull(seed, NULL, 0) : 1;
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st)) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(st.st_mode))
			folder(argv[i]);
		else
			file(argv[i], 0);
	}
	run((const uint8_t *)"", 0);
	printf("%u inputs\n", runs);
	return runs > 1 || argc == 1 ? 0 : 1;
}
