#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_rules_selftest.py - the checks of the house can fail.

Theory: a small tree that keeps every rule is made in a temporary folder, and no rule may complain.
Then one violation after the other is planted, each in a fresh copy, and exactly the rule it is
meant for must see it, in that file.  A rule of check_rules.py without a planted violation is a
failure too.  The same is done for the checks of man pages, of Markdown and for the report.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import check_rules  # noqa: E402

C_LICENCE = "/* SPDX-License-Identifier: MIT */\n"

MODULE = C_LICENCE + """/*
 * {name} - a module that keeps the rules.
 *
 * Theory: none.
 * Invariants: 1. none.
 * Ownership: none.
 * Threads: any.
 * Errors: none.
 * Sources: none.
 * Tests: tests/unit/test_thing.c
 */
"""

THING_C = MODULE.format(name="thing.c") + """
#include <weir/thing.h>

#include "../util/leaf.h"

int weir_thing_count(const struct weir_thing *thing)
{
	return thing->count + leaf();
}
"""

THING_H = C_LICENCE + """/*
 * thing.h - things.
 */
#ifndef WEIR_THING_H
#define WEIR_THING_H

#define WEIR_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_THING_RED (1 << 0) /* it is red */

/**
 * struct weir_thing - a thing.
 * @count: how many.
 */
struct weir_thing {
	int count;
	int reserved;
};

/**
 * weir_thing_count() - how many things there are.
 * @thing: the thing.
 *
 * Return: the number.
 */
WEIR_API int weir_thing_count(const struct weir_thing *thing);

#ifdef __cplusplus
}
#endif

#endif
"""

CLEAN = {
    "include/weir/thing.h": THING_H,
    "src/core/thing.c": THING_C,
    "src/core/plane.h": C_LICENCE + "int plane(void);\n",
    "src/util/leaf.h": C_LICENCE + "int leaf(void);\n",
    "src/plane/epoll.c": MODULE.format(name="epoll.c") + '\n#include "core/plane.h"\n',
    "tools/main.c": MODULE.format(name="main.c") + '\n#include <weir/thing.h>\n',
    "tests/unit/test_thing.c": C_LICENCE + "/*\n * test_thing.c - tests.\n * Theory: one.\n */\n",
    "scripts/helper.py": "# SPDX-License-Identifier: MIT\nprint(1)\n",
    "scripts/helper.sh": "#!/bin/bash\n# SPDX-License-Identifier: MIT\ntrue\n",
}

LONG_FUNCTION = "\nint long_one(void)\n{\n" + "\tleaf();\n" * 70 + "}\n"

# (rule, file, text appended - or a pair: what is replaced, by what)
PLANTED = [
    ("file_length", "src/core/thing.c", "\n" * 800),
    ("function_length", "src/core/thing.c", LONG_FUNCTION),
    ("function_length", "scripts/helper.py", "\n\ndef f():\n" + "    print(1)\n" * 70),
    ("columns", "src/core/thing.c", "\t/* " + "x" * 90 + " */\n"),
    ("white_space", "src/core/thing.c", "int a; \n"),
    ("white_space", "src/core/thing.c", "        int spaces;\n"),
    ("white_space", "src/core/thing.c", "int no_end;"),
    ("include", "src/core/thing.c", '#include "../plane/epoll.h"\n'),
    ("include", "src/util/leaf.h", '#include "../core/plane.h"\n'),
    ("include", "tools/main.c", '#include "../src/core/plane.h"\n'),
    ("include", "tools/main.c", '#include "core/plane.h"\n'),
    ("include", "include/weir/thing.h", '#include "../../src/core/plane.h"\n'),
    ("folders", "src/misc/odd.h", C_LICENCE),
    ("module_comment", "src/core/thing.c", ("Invariants:", "Thoughts:")),
    ("module_comment", "tools/main.c", ("main.c - a", "something")),
    ("module_comment", "tests/unit/test_thing.c", ("Theory:", "Idea:")),
    ("tests_named", "src/core/thing.c", ("test_thing.c", "test_nothing.c")),
    ("licence", "scripts/helper.sh", ("MIT", "none")),
    ("licence", "src/core/thing.c", ("/* SPDX", "/* SPDY")),
    ("licence", "testnic/odd.h", C_LICENCE),
    ("kernel_doc", "include/weir/thing.h", (" * @thing: the thing.\n", "")),
    ("kernel_doc", "include/weir/thing.h", (" * @count: how many.\n", "")),
    ("kernel_doc", "include/weir/thing.h", (" * Return: the number.\n", "")),
    ("kernel_doc", "include/weir/thing.h", ("/**\n * struct", "/*\n * struct")),
    ("kernel_doc", "include/weir/thing.h", ("weir_thing_count() -", "weir_thing_size() -")),
    ("constants", "include/weir/thing.h", (" /* it is red */", "")),
    ("definitions", "include/weir/thing.h", "\nWEIR_API void weir_no(void);\n"),
    ("unfinished", "src/core/thing.c", "/* TO" "DO: more */\n"),
    ("banned_calls", "src/core/thing.c", "void f(void)\n{\n\tstrcpy(a, b);\n}\n"),
    ("banned_calls", "src/core/thing.c", "void f(void)\n{\n\tabort();\n}\n"),
    ("banned_calls", "src/core/thing.c", '#ifdef WEIR_DEBUG\n#else\nint i = puts("x");\n#endif\n'),
    ("banned_calls", "tools/main.c", "void f(void)\n{\n\tusleep(10);\n}\n"),
    ("kill_by_name", "scripts/helper.sh", "p" "kill weir\n"),
    ("machine_paths", "scripts/helper.sh", "ls /ho" "me/someone\n"),
    ("headers_alone", "include/weir/thing.h", ("int weir_thing_count", "uint8_t weir_thing_count")),
    ("headers_alone", "include/weir/thing.h", ("int reserved;", "int class;")),
]

# What must not be taken for a violation.
HARMLESS = [
    ("src/core/thing.c", "/* strcpy() and abort() are named only */\n"),
    ("src/core/thing.c", 'const char *text = "printf(";\n'),
    ("tests/unit/test_thing.c", "void f(void)\n{\n\tusleep(10); /* the timer is due */\n}\n"),
    ("src/core/thing.c", "#ifdef WEIR_DEBUG\nvoid f(void)\n{\n\tabort();\n}\n#endif\n"),
    ("src/core/thing.c", "void f(void)\n{\n\tsnprintf(a, 1, b);\n\tmy_exit(1);\n}\n"),
    ("src/core/thing.c", "\nint right(void)\n{\n" + "\tleaf();\n" * 68 + "}\n"),
]


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


def changed(path, change):
    text = CLEAN.get(path, "")
    if isinstance(change, str):
        return text + change
    assert change[0] in text, (path, change)
    return text.replace(change[0], change[1])


def complaints(root, build=None):
    """(rule, path) of everything the rules say about a tree."""
    tree = check_rules.Tree(root, build)
    return {(rule.__name__[len("rule_"):], path)
            for rule in check_rules.RULES for path, _, _ in rule(tree)}


def check_rules_find(folder):
    """Plant each violation; yield what went wrong."""
    root = os.path.join(folder, "clean")
    write_tree(root, CLEAN)
    for complaint in sorted(complaints(root)):
        yield f"complaint about the clean tree: {complaint}"
    for number, (rule, path, change) in enumerate(PLANTED):
        root = os.path.join(folder, f"planted{number}")
        write_tree(root, {**CLEAN, path: changed(path, change)})
        if (rule, path) not in complaints(root):
            yield f"not found: {rule} in {path}: {change!r:.80}"
    for number, (path, change) in enumerate(HARMLESS):
        root = os.path.join(folder, f"harmless{number}")
        write_tree(root, {**CLEAN, path: changed(path, change)})
        for complaint in complaints(root):
            yield f"complaint {complaint} about what is harmless: {change!r:.80}"
    planted = {rule for rule, _, _ in PLANTED} | {"symbols"}
    for rule in check_rules.RULES:
        if rule.__name__[len("rule_"):] not in planted:
            yield f"{rule.__name__} has no planted violation"


def check_symbols_find(folder):
    """A library that exports too much, and one that exports too little."""
    compiler = os.environ.get("CC", "cc")
    root = os.path.join(folder, "clean")
    for text, wanted in (("int weir_thing_count(void) { return 0; }", False),
                         ("int weir_thing_count(void) { return 0; } int loose;", True),
                         ("static int weir_thing_count(void) { return 0; }\n"
                          "int (*const weir_f)(void) = weir_thing_count;", True)):
        build = tempfile.mkdtemp(dir=folder)
        os.mkdir(os.path.join(build, "src"))
        subprocess.run([compiler, "-w", "-shared", "-fPIC", "-x", "c", "-", "-o",
                        os.path.join(build, "src", "libweir.so")],
                       input=text + "\n", text=True, check=True)
        found = any(rule == "symbols" for rule, _ in complaints(root, build))
        if found != wanted:
            yield f"symbols: {'complaint' if found else 'no complaint'} about: {text}"


def check_markdown_finds(folder):
    """Samples that do not compile and links that lead nowhere."""
    good = ("# A b\n\n<!-- compile -->\n```c\n#include <weir/thing.h>\nint x;\n```\n"
            "[a](other.md) [b](#a-b) [c](other.md#there)\n")
    cases = [(good, 0), (good.replace("int x;", "int x"), 1),
             (good.replace("<!-- compile -->\n", ""), 1),
             (good.replace("(other.md)", "(gone.md)"), 1),
             (good.replace("#a-b", "#a-c"), 1), (good.replace("#there", "#here"), 1)]
    for number, (text, wanted) in enumerate(cases):
        root = os.path.join(folder, f"markdown{number}")
        write_tree(root, {**CLEAN, "README.md": text, "other.md": "## There\n"})
        result = subprocess.run([sys.executable, "-B", os.path.join(HERE, "check_markdown.py"),
                                 root], capture_output=True, text=True, check=False)
        if result.returncode != wanted:
            yield f"check_markdown: {result.returncode}, not {wanted}, of case {number}: " \
                + result.stdout


JUNIT = """<?xml version="1.0"?><testsuite tests="4">
<testcase name="a" time="1" status="run"><system-out>
[==========] Running 2 test(s).
[       OK ] one
[ RUN      ] two
no huge pages here
[  SKIPPED ] two
</system-out></testcase>
<testcase name="b" time="1" status="fail"><failure message="x"/>
<system-out>boo</system-out></testcase>
<testcase name="c" time="1" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>not root</system-out></testcase>
<testcase name="d" time="1" status="notrun"><skipped message="Unable to find executable"/>
</testcase>
</testsuite>
"""


def check_report_counts(folder):
    """The report counts, and a skip that is on no list fails."""
    script = os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts", "check_report.py")
    passing = JUNIT.replace('status="fail"', 'status="run"').replace('<failure message="x"/>', "")
    passing = passing[:passing.index('<testcase name="d"')] + "</testsuite>\n"
    listed = "r:a.two huge pages\nr:c not root\n"
    newer = passing.replace("] Running", "] group: Running")  # cmocka 1.1.7
    cases = [(JUNIT, listed, "1 passed, 2 failed, 2 skipped", 1),
             (passing, listed, "2 passed, 0 failed, 2 skipped", 0),
             (passing, "r:c not root\n", "2 passed, 0 failed, 2 skipped", 1),
             (passing, listed.replace("root", "there"), "2 passed, 0 failed, 2 skipped", 1),
             (newer, listed, "2 passed, 0 failed, 2 skipped", 0),
             ("<broken", listed, "0 passed, 1 failed, 0 skipped", 1)]
    for number, (junit, skips, wanted, status) in enumerate(cases):
        results = os.path.join(folder, f"report{number}")
        write_tree(results, {"r.xml": junit, "extra.txt": "", "skips": skips})
        result = subprocess.run([sys.executable, "-B", script, results,
                                 os.path.join(results, "skips")],
                                capture_output=True, text=True, check=False)
        last = result.stdout.strip().split("\n")[-1]
        if last != wanted or result.returncode != status:
            yield f"check_report: '{last}' and {result.returncode}, not '{wanted}' and {status}" \
                + result.stderr


def main():
    folder = tempfile.mkdtemp()
    try:
        wrong = [text for check in (check_rules_find, check_symbols_find, check_markdown_finds,
                                    check_report_counts) for text in check(folder)]
    finally:
        shutil.rmtree(folder)
    print("\n".join(wrong + [f"{len(PLANTED)} violations planted, {len(wrong)} faults"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
