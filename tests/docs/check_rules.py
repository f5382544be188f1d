#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_rules.py [ROOT [BUILD]] - the rules of STYLE.md, held by a test.

Theory: each rule is a function that takes the tree and yields what breaks it as
(path, line, text).  RULES at the end lists them; check_rules_selftest.py plants a violation for
each and sees it found.
"""
import ast
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
import gen_man  # noqa: E402
import kerneldoc  # noqa: E402

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
TAB_COLUMNS = 8

# Folder of src/ -> folders (or single headers) of src/ that it may include besides its own.
MAY_INCLUDE = {
    "core": ["util"],
    "ring": ["uapi", "util"],
    "plane": ["core/plane.h", "ring", "mem", "uapi", "util"],
    "tx": ["core/plane.h", "util"],
    "mem": ["util", "uapi"],
    "nic": ["util", "uapi"],
    "io": ["util"],
    "uapi": [],
    "util": [],
}
PUBLIC_ONLY = ["tools", "bench", "examples", "demo"]  # see of the library only <weir/*.h>

MODULE_WORDS = ["Theory:", "Invariants:", "Ownership:", "Threads:", "Errors:", "Sources:",
                "Tests:"]

# Names -> why not; where the rule holds.
BANNED_CALLS = [
    ("strcpy|strcat|stpcpy|sprintf|vsprintf|gets", "no bound on what is written",
     ["src", "tools", "bench", "examples", "tests"]),
    ("strncpy", "may leave the text without an end", ["src", "tools", "bench", "examples"]),
    ("system|popen", "runs a shell", ["src", "tools", "bench", "examples"]),
    ("exit|_exit|quick_exit|abort", "the library never ends the program", ["src"]),
    ("printf|puts|putchar|perror|vprintf", "the library never prints", ["src"]),
    ("assert", "NDEBUG and abort are not ours; use the assertion of util", ["src"]),
    ("sleep|usleep|nanosleep", "wait on state with a deadline; say in a comment why time is meant",
     ["src", "tools", "tests", "examples"]),
]

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:home|work|root|Users)/\w")
# Folder -> licence, where it is not MIT: a kernel module, and what user space includes of it.
LICENCES = {"testnic": r"GPL-2\.0( WITH Linux-syscall-note)?"}


class Tree:
    """The files of the tree, each read once."""

    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build = build
        self.paths = []
        self.texts = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders
                                if name not in ("build", "__pycache__", "shared") and
                                not name.startswith("."))
            for name in sorted(names):
                self.paths.append(os.path.relpath(os.path.join(folder, name), self.root))

    def read(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8",
                      errors="replace") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def lines(self, path):
        return self.read(path).split("\n")

    def select(self, folders, *suffixes):
        """Paths below any of the folders (all where None) that end in one of the suffixes."""
        for path in self.paths:
            if path.endswith(suffixes) and \
                    (folders is None or path.split(os.sep)[0] in folders):
                yield path


CODE = (".c", ".h")
ALL_TEXT = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", "Makefile", ".json", ".in",
            ".supp")


def rule_file_length(tree):
    for path in tree.select(None, ".c", ".h", ".py", ".sh"):
        count = tree.read(path).count("\n")
        if count > FILE_LINES_MAX:
            yield path, count, f"{count} lines, over {FILE_LINES_MAX}: split by what it does"


def c_functions(text):
    """(line of the opening brace, lines) of every function; kernel style has it in column 1."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start + 1
            start = None


def rule_function_length(tree):
    for path in tree.select(None, *CODE):
        for line, count in c_functions(kerneldoc.strip_noise(tree.read(path))):
            if count > FUNCTION_LINES_MAX:
                yield path, line, f"function of {count} lines, over {FUNCTION_LINES_MAX}"
    for path in tree.select(None, ".py"):
        for node in ast.walk(ast.parse(tree.read(path))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                count = node.end_lineno - node.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    yield path, node.lineno, f"function of {count} lines, " \
                        f"over {FUNCTION_LINES_MAX}"


def rule_columns(tree):
    for path in tree.select(None, *ALL_TEXT):
        for number, line in enumerate(tree.lines(path), 1):
            columns = len(line.expandtabs(TAB_COLUMNS))
            if columns > COLUMNS_MAX and not re.search(r"https?://\S{60}", line):
                yield path, number, f"{columns} columns, over {COLUMNS_MAX}"


def rule_white_space(tree):
    for path in tree.select(None, *ALL_TEXT, ".md", ".txt"):
        lines = tree.lines(path)
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                yield path, number, "white space at the end of the line"
            indent = re.match(r"[ \t]*", line).group(0)
            if path.endswith(CODE) and (" \t" in indent or " " * TAB_COLUMNS in indent):
                yield path, number, "indented with spaces: use tabs"
        if lines[-1] != "":
            yield path, len(lines), "no line break at the end of the file"


def resolve(tree, path, name):
    """The path in the tree that an #include "name" of that file means."""
    here = os.path.normpath(os.path.join(os.path.dirname(path), name))
    for candidate in (here, os.path.join(path.split(os.sep)[0], name),
                      os.path.join("include", name)):
        if candidate in tree.paths:
            return candidate
    return None


def includes(tree, path):
    for number, line in enumerate(tree.lines(path), 1):
        match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
        if match:
            yield number, match.group(1), match.group(2)


def allowed(own_folder, target):
    """May a file of src/own_folder include that path below src/?"""
    if target.split(os.sep)[0] == own_folder:
        return True
    return any(target == entry or target.startswith(entry + os.sep)
               for entry in MAY_INCLUDE.get(own_folder, []))


def rule_include(tree):
    for path in tree.select(["include", "src"] + PUBLIC_ONLY, *CODE):
        top = path.split(os.sep)[0]
        for number, kind, name in includes(tree, path):
            if kind == "<":
                continue
            target = resolve(tree, path, name)
            if top == "include":
                yield path, number, f'"{name}": public headers include <weir/...> only'
            elif target is None:
                yield path, number, f'"{name}": no such header of ours'
            elif top in PUBLIC_ONLY and target.split(os.sep)[0] != top:
                yield path, number, f'"{name}": {top}/ sees <weir/*.h> and its own headers only'
            elif top == "src" and not allowed(path.split(os.sep)[1], target[len("src/"):]):
                yield path, number, f'"{name}": src/{path.split(os.sep)[1]} may include only ' \
                    f"{', '.join(MAY_INCLUDE.get(path.split(os.sep)[1], [])) or 'its own'}"


def rule_folders(tree):
    for path in tree.select(["src"], *CODE):
        parts = path.split(os.sep)
        if len(parts) != 3 or parts[1] not in MAY_INCLUDE:
            yield path, 1, f"no such folder of src/ in the layout: {', '.join(MAY_INCLUDE)}"


def first_comment(text):
    """The first comment after the line with the licence."""
    match = re.match(r"[^\n]*\n\s*(/\*.*?\*/)", text, re.S)
    return match.group(1) if match else ""


def rule_module_comment(tree):
    for path in tree.select(["src", "tools", "testnic"], ".c"):
        comment = first_comment(tree.read(path))
        for word in MODULE_WORDS:
            if word not in comment:
                yield path, 1, f"the comment at the top has no {word}"
        if comment and os.path.basename(path) + " - " not in comment:
            yield path, 1, f"the comment does not begin '{os.path.basename(path)} - what it is'"
    for path in tree.select(["tests", "bench", "examples"], ".c"):
        if "Theory:" not in first_comment(tree.read(path)):
            yield path, 1, "the comment at the top has no Theory:"


def rule_tests_named(tree):
    """Test files that a module comment names exist."""
    for path in tree.select(["src", "tools", "testnic"], ".c"):
        comment = first_comment(tree.read(path))
        named = comment[comment.find("Tests:"):] if "Tests:" in comment else ""
        for name in re.findall(r"[\w/.-]+\.(?:c|sh|py)\b", named):
            if not any(known.endswith("/" + name) or known == name for known in tree.paths):
                yield path, 1, f"Tests: names {name}, which is not there"


def rule_licence(tree):
    for path in tree.select(None, ".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", "Kbuild"):
        licence = LICENCES.get(path.split(os.sep)[0], "MIT")
        if not re.search(rf"SPDX-License-Identifier: {licence}(?![\w.-])",
                         "\n".join(tree.lines(path)[:2])):
            yield path, 1, f"the first lines do not say SPDX-License-Identifier: {licence}"


def rule_kernel_doc(tree):
    for path in tree.select(["include"], ".h"):
        declarations, orphans = kerneldoc.read_header(os.path.join(tree.root, path))
        for declaration in declarations:
            for lack in gen_man.missing_parts(declaration):
                yield path, declaration.line, f"{declaration.name}: {lack}"
        for doc in orphans:
            yield path, doc.line, f"comment of {doc.name or 'nothing'} stands before nothing"


def rule_constants(tree):
    """A constant says what it is, beside it or in a comment above its group."""
    for path in tree.select(["include"], ".h"):
        explained = False
        for number, line in enumerate(tree.lines(path), 1):
            bare = line.strip()
            if bare.endswith("*/"):
                explained = True
            elif not bare.startswith("#define"):
                explained = False
            match = re.match(r"#\s*define\s+(WEIR_\w+)\s+\S", bare)
            if match and not explained and "/*" not in bare and \
                    not re.match(r"WEIR_(VERSION|API|MUST_CHECK)", match.group(1)):
                yield path, number, f"{match.group(1)} is not explained"


def exported_names(tree):
    for path in tree.select(["include"], ".h"):
        declarations, _ = kerneldoc.read_header(os.path.join(tree.root, path))
        for declaration in declarations:
            if declaration.exported:
                yield declaration.name, path, declaration.line


def rule_symbols(tree):
    """The library exports what the headers declare, and nothing else."""
    if not tree.build:
        return
    library = os.path.join(tree.build, "src", "libweir.so")
    if not os.path.exists(library):
        yield library, 0, "the library is not built"
        return
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                             capture_output=True, text=True).stdout
    exported = {line.split()[-1] for line in listing.splitlines() if line.split()[-2] != "A"}
    declared = {name: (path, line) for name, path, line in exported_names(tree)}
    for name in sorted(set(declared) - exported):
        yield (*declared[name], f"{name} is declared, but the library has no such symbol")
    for name in sorted(exported - set(declared)):
        yield library, 0, f"{name} is exported, but no public header declares it"


def rule_definitions(tree):
    """Every function of the public headers is defined in src/."""
    texts = [kerneldoc.strip_noise(tree.read(path)) for path in tree.select(["src"], ".c")]
    for name, path, line in exported_names(tree):
        defined = re.compile(r"^(?!\s)[^;=#\n]*\b%s\([^;{]*\)\s*\{" % name, re.M)
        if not any(defined.search(text) for text in texts):
            yield path, line, f"{name} is defined nowhere in src/"


def rule_unfinished(tree):
    for path in tree.paths:
        if path.endswith((".png", ".svg")):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = UNFINISHED.search(line)
            if match:
                yield path, number, f"{match.group(1)}: finish it or open an issue"


def debug_lines(text):
    """Numbers of the lines between #if... WEIR_DEBUG and its #else or #endif."""
    inside, stack = set(), []
    for number, line in enumerate(text.split("\n"), 1):
        directive = re.match(r"\s*#\s*(if\w*|elif|else|endif)\b(.*)", line)
        if directive and directive.group(1).startswith("if"):
            stack.append("WEIR_DEBUG" in directive.group(2) and directive.group(1) != "ifndef")
        elif directive and stack and directive.group(1) in ("elif", "else"):
            stack[-1] = False
        elif directive and stack and directive.group(1) == "endif":
            stack.pop()
        elif any(stack):
            inside.add(number)
    return inside


def explained(lines, number):
    """Is there a comment on the line of that number, or on the one before?"""
    return any("*/" in line for line in lines[max(0, number - 2):number])


def rule_banned_calls(tree):
    for names, why, folders in BANNED_CALLS:
        call = re.compile(r"(?<![\w.>])(%s)\s*\(" % names)
        for path in tree.select(folders, *CODE):
            text = kerneldoc.strip_noise(tree.read(path))
            debug = debug_lines(text)
            for number, line in enumerate(text.split("\n"), 1):
                match = call.search(line)
                if match and "sleep" in names and explained(tree.lines(path), number):
                    continue
                if match and number not in debug:
                    yield path, number, f"{match.group(1)}(): {why}"


def rule_kill_by_name(tree):
    for path in tree.select(None, ".sh", ".py"):
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"^\s*(?:sudo )?(?:p" r"kill|kill" r"all)\b", line):
                yield path, number, "ends processes by name: keep the id and use that"


def rule_machine_paths(tree):
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            match = MACHINE_PATH.search(line)
            if match:
                yield path, number, f"a path of one machine: {match.group(0)}..."


def rule_headers_alone(tree):
    """Each public header compiles by itself, as C and as C++."""
    compilers = [(["gcc", "clang", "cc"], "c", "gnu17"),
                 (["g++", "clang++"], "c++", "c++17")]
    for names, language, standard in compilers:
        compiler = next((name for name in names if shutil.which(name)), None)
        if compiler is None:
            yield "include", 0, f"no {language} compiler: none of {', '.join(names)}"
            continue
        for path in tree.select(["include"], ".h"):
            name = os.path.relpath(path, "include")
            result = subprocess.run(
                [compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror",
                 "-fsyntax-only", "-I", os.path.join(tree.root, "include"), "-"],
                input=f"#include <{name}>\n", text=True, capture_output=True, check=False)
            if result.returncode:
                yield path, 1, f"does not compile alone as {language}: " \
                    + result.stderr.strip().split("\n")[0]


RULES = [rule_file_length, rule_function_length, rule_columns, rule_white_space, rule_include,
         rule_folders, rule_module_comment, rule_tests_named, rule_licence, rule_kernel_doc,
         rule_constants, rule_symbols, rule_definitions, rule_unfinished, rule_banned_calls,
         rule_kill_by_name, rule_machine_paths, rule_headers_alone]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(
        "WEIR_SOURCE", os.path.dirname(os.path.dirname(HERE)))
    build = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("WEIR_BUILD")
    tree = Tree(root, build)
    broken = 0
    for rule in RULES:
        for path, line, text in rule(tree):
            print(f"{path}:{line}: {rule.__name__[len('rule_'):]}: {text}")
            broken += 1
    print(f"{len(tree.paths)} files, {len(RULES)} rules, {broken} violations")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
