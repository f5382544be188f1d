/* SPDX-License-Identifier: MIT */
/*
 * fuzz_spec.c - texts of the environment: WEIR_FAULT, WEIR_WITHOUT, WEIR_PLANE, numbers.
 *
 * Theory: what is refused leaves the output alone, and has a code and a hint; what is taken is in
 * its bounds.
 */
#include <weir/weir.h>

#include "core/core.h"
#include "fuzz.h"
#include "plane/fault.h"
#include "util/util.h"

static void fault(const char *text)
{
	struct weir_fault_spec a, b;
	struct weir_error err = { 0 };

	memset(&a, 0x5a, sizeof(a));
	b = a;
	if (weir_fault_parse(text, &a, &err)) {
		must(err.code == -EINVAL && err.hint[0]);
		must(!memcmp(&a, &b, sizeof(a)));
		return;
	}
	for (unsigned i = 0; i < WEIR_FAULT_KINDS; i++)
		must(a.percent[i] <= 90);
}

static void without(const char *text)
{
	uint32_t bits = 1u << 31;
	struct weir_error err = { 0 };

	if (!weir_choose_without(text, &bits, &err)) {
		must(bits >> 31);
		return;
	}
	must(err.code == -EINVAL && err.hint[0]);
	must(bits == 1u << 31);
}

static void others(const char *text)
{
	enum weir_plane plane = (enum weir_plane)77;
	struct weir_error err = { 0 };
	uint32_t n = 77;

	if (weir_plane_parse(text, &plane))
		must((int)plane == 77);
	else
		must(!strcmp(weir_plane_name(plane), text));
	setenv("WEIR_FUZZ_NUMBER", text, 1);
	if (weir_env_u32("WEIR_FUZZ_NUMBER", &n, &err))
		must(n == 77 && err.code && err.hint[0]);
	unsetenv("WEIR_FUZZ_NUMBER");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	fault(text);
	without(text);
	others(text);
	free(text);
	return 0;
}
