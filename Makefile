# The commands of this repository. Each works on a fresh machine: what is missing is installed from the package registries, and said so.
.PHONY: demo test bench fuzz lint controller web screenshots simdac deps deps-web fmt clean

ARGS ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
SIMDAC := $(TARGET)/simdac/libasound_module_pcm_simdac.so

# The program for boards. Packed relocations make it a tenth smaller; they need glibc 2.36 (Debian 12).
SLIM := cargo rustc --profile slim --no-default-features --features controller --bin loaxa-controller -- -C link-arg=-Wl,-z,pack-relative-relocs

# Debian packages by the file that shows they are there.
PACKAGES := cmake:/usr/bin/cmake pkg-config:/usr/bin/pkg-config gcc:/usr/bin/gcc g++:/usr/bin/g++ libasound2-dev:/usr/include/alsa/asoundlib.h
TEST_PACKAGES := alsa-utils:/usr/bin/aplay mosquitto:/usr/sbin/mosquitto openssl:/usr/bin/openssl systemd:/usr/bin/systemd-analyze \
  postgresql:/usr/share/postgresql-common/pg_wrapper poppler-utils:/usr/bin/pdftotext chromium:/usr/bin/chromium
BENCH_PACKAGES := ffmpeg:/usr/bin/ffmpeg mosquitto:/usr/sbin/mosquitto

## demo: one command from a bare machine to sound; ARGS="--for 60" ends by itself
demo: deps web simdac
	cargo build --quiet --bins
	cargo run --quiet --example demo -- $(ARGS)

## test: every test, the browser's too
test: deps deps-test web simdac
	cargo build --bins
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --no-fail-fast; else cargo test --no-fail-fast; fi
	cd web && npm test --silent
	node fuzz/run.mjs --seconds 5

## fuzz: every reader of strangers' bytes; ARGS="--seconds 5 --target plan" for less
fuzz: deps deps-web
	node fuzz/run.mjs $(ARGS)

## bench: the benchmark table
bench: deps deps-bench web simdac
	$(SLIM)
	cargo bench --quiet --bench table -- $(ARGS)

## lint: formatting, clippy in all feature sets, web lint and types, licences and sources of dependencies
lint: deps web
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --no-default-features --features controller --lib --bin loaxa-controller -- -D warnings
	cargo clippy --quiet --no-default-features --features center --lib --bin loaxa -- -D warnings
	cd web && npm run --silent lint && npm run --silent check
	node .ci/licences.mjs

## controller: the slim program for boards (loaxa-controller alone)
controller: deps
	$(SLIM)
	@ls -l $(TARGET)/slim/loaxa-controller

## web: the page, built into the center
web: web/dist/index.html

web/dist/index.html: web/node_modules/.package-lock.json $(shell find web/src web/worker web/public web/index.html web/openapi.json web/vite.config.ts web/content-security-policy.txt -type f -not -name schema.ts 2>/dev/null)
	cd web && npm run --silent build
	@touch $@ src/center/api/web.rs

## screenshots: pictures of every page, into target/screenshots/
screenshots: deps deps-test web
	cargo build --quiet --bins
	cd web && npx playwright test --config playwright.screenshots.config.ts

web/node_modules/.package-lock.json: web/package-lock.json | deps-web
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

## simdac: the simulated converter through which tests and demo hear what would sound
simdac: $(SIMDAC)

$(SIMDAC): tests/simdac/simdac.c | deps
	@mkdir -p $(dir $@)
	gcc -O2 -Wall -Wextra -Werror -fPIC -shared -DPIC -o $@ $< -lasound -lm

define install
	@missing=""; for p in $(1); do [ -e "$${p#*:}" ] || missing="$$missing $${p%%:*}"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else echo "please install these packages first:$$missing"; exit 1; fi; fi
endef

deps:
	@command -v cargo >/dev/null || { echo "please install Rust 1.94 or newer first: https://rustup.rs"; exit 1; }
	$(call install,$(PACKAGES))

.PHONY: deps-test deps-bench
deps-test: deps
	$(call install,$(TEST_PACKAGES))

deps-bench: deps
	$(call install,$(BENCH_PACKAGES))

deps-web:
	@command -v npm >/dev/null || { [ "$$(id -u)" = 0 ] && echo "installing nodejs npm" && apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; }
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "please install Node.js 20 or newer first (this is $$(node --version))"; exit 1; }

fmt:
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	cd web && npx prettier --write --log-level warn .

clean:
	cargo clean
	rm -rf web/dist web/node_modules
