#!/bin/bash
# SPDX-License-Identifier: MIT
#
# fetch-suite-package.sh SUITE FOLDER PACKAGE... - packages of another Debian release, unpacked
# into FOLDER and run from there; nothing is installed.
#
# The mirror and the way to it (proxies) are this machine's own; the lists and the packages lie
# below FOLDER.  What is there already is not fetched again.  Exit code 3: it cannot be fetched (no
# apt-get, no network, no such package), with the reason on stderr.
#
# FOLDER/run PROGRAM [ARGUMENTS] runs an unpacked program with the libraries of its own release.
set -u

suite=${1:?suite}
folder=${2:?folder}
shift 2
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

cannot() {
	echo "fetch-suite-package.sh: $*" >&2
	exit 3
}

[ -e "$folder/$suite.$(echo "$*" | tr ' /' '_-')" ] && exit 0
for tool in apt-get dpkg-deb dpkg; do
	command -v $tool >/dev/null || cannot "no $tool: not a Debian system"
done
[ -e "$keyring" ] || cannot "no $keyring"
mirror=$(cd "$(dirname "$0")/../tests/vm" && python3 -B -m host.apt 2>&1) || cannot "$mirror"

mkdir -p "$folder" || cannot "$folder: cannot be made"
folder=$(cd "$folder" && pwd)
mkdir -p "$folder"/apt/etc/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
	"$folder"/apt/state/lists/partial "$folder"/apt/cache/archives/partial "$folder/debs"
: >"$folder/apt/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$folder/apt/etc/sources.list"
options=(-qq -o "Dir::Etc=$folder/apt/etc" -o "Dir::State=$folder/apt/state"
	-o "Dir::State::status=$folder/apt/status" -o "Dir::Cache=$folder/apt/cache"
	-o "APT::Architecture=$(dpkg --print-architecture)" -o Acquire::Retries=1
	-o Acquire::http::Timeout=10 -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root)
timeout 120 apt-get "${options[@]}" update >"$folder/apt/log" 2>&1 ||
	cannot "$suite at $mirror: $(tail -n 1 "$folder/apt/log")"
(cd "$folder/debs" && timeout 120 apt-get "${options[@]}" download "$@") >"$folder/apt/log" 2>&1 ||
	cannot "$*: $(tail -n 1 "$folder/apt/log")"
for package in "$folder"/debs/*.deb; do
	dpkg-deb -x "$package" "$folder/root" || cannot "$package: cannot be unpacked"
done

cat >"$folder/run" <<'END'
#!/bin/bash
# run PROGRAM [ARGUMENTS]: with the loader and the libraries of the release it comes from
root=$(cd "$(dirname "$0")/root" && pwd)
program=$(find "$root"/usr/bin "$root"/usr/sbin -name "$1" 2>/dev/null | head -n 1)
loader=$(find "$root" -name 'ld-linux*.so*' | head -n 1)
libraries=$(dirname "$(find "$root" -name 'libc.so.6' | head -n 1)")
shift
exec "$loader" --library-path "$libraries" "$program" "$@"
END
chmod +x "$folder/run"
: >"$folder/$suite.$(echo "$*" | tr ' /' '_-')"
