# SPDX-License-Identifier: MIT
#
# Short names for what CMake presets and scripts do.  `make help` lists them.

PREFIX ?= /usr/local
export DESTDIR FUZZ_SECONDS FUZZ_SEED SOAK_SECONDS SOAK_SEED SOAK_VM

.PHONY: all demo check bench vm vm-all vm-shell vm-debug fuzz soak tidy install clean help
.DEFAULT_GOAL := all

all: ## build the library and the command; leaves build/weir
	@scripts/deps.sh build
	@scripts/build.sh release product
	@ln -sfn release/tools/weir build/weir

demo: ## stock iperf3 against our server, over every plane of this machine
	@scripts/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@demo/demo.sh

check: ## all tests: two compilers, sanitizers, rules; last line counts them
	@scripts/deps.sh build check $(if $(filter no,$(WEIR_CHECK_VM)),,vm)
	@scripts/check.sh

bench: ## side-by-side benchmark of the host planes; ARGS="..." goes to it
	@scripts/deps.sh build bench
	@scripts/build.sh release weir-bench-host
	@build/release/bench/weir-bench-host $(ARGS)

vm: ## tests in a VM with the test NIC; K=7.3 is the kernel, T=zcrx the tests (beginning of name)
	@scripts/deps.sh build vm
	@tests/vm/vm.py test "$(K)" "$(T)"

vm-all: ## the same on every kernel of the list
	@scripts/deps.sh build vm
	@tests/vm/vm.py all "$(T)"

vm-shell: ## a shell in the VM: two namespaces, the test NIC between them, the tools; K= as above
	@scripts/deps.sh build vm
	@tests/vm/vm.py shell "$(K)"

vm-debug: ## the tests on a kernel with KASAN, lockdep, kmemleak, UBSAN, compiled once; T= as above
	@scripts/deps.sh build vm
	@tests/vm/vm.py debug "$(T)"

fuzz: ## everything that parses foreign input, by libFuzzer; FUZZ_SECONDS=60 each, T= as above
	@scripts/deps.sh build fuzz
	@scripts/fuzz.sh "$(T)"

soak: ## random runs with sanitizers, and over zcrx in the VM; SOAK_SECONDS=600, SOAK_VM=no
	@scripts/deps.sh build check $(if $(filter no,$(SOAK_VM)),,vm)
	@scripts/soak.sh

tidy: ## clang-tidy over the library and the command, and the rules test
	@scripts/deps.sh build check
	@scripts/tidy.sh

install: all ## install below PREFIX (default /usr/local); DESTDIR is honoured
	@cmake --install build/release --prefix $(PREFIX)
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || ldconfig

clean: ## remove everything that was built
	@rm -rf build

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
