# Halley: `make help` says what there is.
#
# One Makefile for everything.  Whatever it makes lies under build/; a sanitizer
# build has a folder of its own, so that builds never mix.

VERSION = 0.1.0

PREFIX  = /usr/local
DESTDIR =

libdir     = $(PREFIX)/lib/halley
bindir     = $(PREFIX)/bin
sharedir   = $(PREFIX)/share/halley
docdir     = $(PREFIX)/share/doc/halley
mandir     = $(PREFIX)/share/man
unitdir    = $(PREFIX)/lib/systemd/system
compdir    = $(PREFIX)/share/bash-completion/completions

# --- where things are built --------------------------------------------------

# SANITIZE=address,undefined or SANITIZE=thread; anything else that the compiler
# knows works too.
SANITIZE =
ifeq ($(SANITIZE),)
BUILD = build
else ifeq ($(SANITIZE),address,undefined)
BUILD = build/asan
else ifeq ($(SANITIZE),thread)
BUILD = build/tsan
else
BUILD = build/sanitize-$(SANITIZE)
endif

# V=1 shows the commands.
V =
Q = $(if $(V),,@)
say = @printf '  %-6s %s\n'

# --- compiler ----------------------------------------------------------------

PKG_CONFIG = pkg-config
pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)

CORE_PKGS = hiredis jansson libssl libcrypto
FCGI_PKGS = fcgi libjwt
WORKER_PKGS = msgpack
OPERATOR_PKGS = libcurl
TEST_PKGS = check libcurl lua5.1
ALL_CFLAGS_PKGS := $(call pkg_cflags,$(CORE_PKGS) $(FCGI_PKGS) $(WORKER_PKGS) $(TEST_PKGS))

# libev, wslay and http-parser come without a .pc file.
CORE_LIBS := $(call pkg_libs,$(CORE_PKGS)) -lev -lm
FCGI_LIBS := $(call pkg_libs,$(FCGI_PKGS)) -lwslay -lhttp_parser
OPERATOR_LIBS := $(call pkg_libs,$(OPERATOR_PKGS))
TEST_LIBS := $(call pkg_libs,$(TEST_PKGS)) -lpthread
FUZZ_LIBS := $(call pkg_libs,lua5.1)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wmissing-declarations -Wold-style-definition -Wpointer-arith \
           -Wwrite-strings -Wformat=2 -Wundef -Wvla
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

ifeq ($(SANITIZE),)
HARDEN   = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
SAN      =
else
HARDEN   =
SAN      = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# -fno-strict-aliasing: libev's watchers are structs that begin alike, and it asks
# for this flag itself (ev.pod, "COMPILER WARNINGS").
CFLAGS     = -O2 -g
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DHALLEY_VERSION='"$(VERSION)"' $(ALL_CFLAGS_PKGS) \
               $(CPPFLAGS)
ALL_CFLAGS = -std=c11 $(WARNINGS) -fPIE -fno-strict-aliasing -pthread $(HARDEN) $(SAN) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN) $(LDFLAGS)

COMPILE = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)

# --- sources -----------------------------------------------------------------

CORE_SRC   := $(wildcard core/*.c core/*/*.c)
FCGI_SRC   := $(wildcard fcgi-app/*.c fcgi-app/*/*.c fcgi-app/*/*/*.c)
WORKER_SRC := $(wildcard worker/*.c worker/*/*.c)
OPERATOR_SRC := $(wildcard operator/*.c)
LIB_SRC    := $(wildcard tests/lib/*.c)
UNIT_SRC   := $(wildcard tests/unit/*.c)
E2E_SRC    := $(wildcard tests/e2e/*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/*.c)
BENCH_SRC  := $(wildcard tests/bench/*.c tests/bench/*/*.c)
MODEL_SRC  := $(wildcard tests/model/*.c) # included whole by tests
ROWS_SRC   := $(wildcard tests/protocols/*.c)
ALL_SRC    := $(CORE_SRC) $(FCGI_SRC) $(WORKER_SRC) $(OPERATOR_SRC) $(LIB_SRC) $(UNIT_SRC) $(E2E_SRC) $(FUZZ_SRC) \
              $(BENCH_SRC) $(MODEL_SRC) $(ROWS_SRC)
ALL_HDR    := $(wildcard core/*.h core/*/*.h fcgi-app/*.h fcgi-app/*/*.h fcgi-app/*/*/*.h worker/*.h worker/*/*.h operator/*.h tests/*/*.h \
                tests/bench/*/*.h)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LUA_OBJ = $(patsubst core/redis/%.lua,$(BUILD)/gen/%_lua.o,$(wildcard core/redis/*.lua))

PROGRAMS = $(BUILD)/halley.fcgi $(BUILD)/halley-worker $(BUILD)/halley

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all help deps client soak run test test-http2 test-programs lint check-warnings format fuzz fuzzers faults bench deb \
        test-packages install uninstall clean unit-tests e2e-tests FORCE

all: $(PROGRAMS)

help:
	@echo 'make              build/halley.fcgi, build/halley-worker and build/halley'
	@echo 'make run          install what is missing, build, start it all: http://127.0.0.1:8080/'
	@echo '                  HOST= PORT= REDIS_URL= CONF= RUN_DIR= SERVER=lighttpd|apache|nginx|caddy|haproxy'
	@echo '                  or lighttpd-socket, lighttpd-cgi, apache-fcgid, apache-cgi, nginx-proxy, caddy-fcgi,'
	@echo '                  haproxy-fcgi; TLS_PORT=, for HTTP/2, too; Apache: MPM=event|worker|prefork THREADS='
	@echo '                  TEST=1: with the services that the suites of other systems want'
	@echo 'make client       www/halley.js and the package halley-client, of www/client (npm)'
	@echo 'make test         install what is missing, build, run every test'
	@echo 'make test-http2   the pages in Chromium and Firefox over TLS with HTTP/2: SERVERS="lighttpd nginx apache caddy"'
	@echo 'make lint         format, clang-tidy, shellcheck, the laws of includes and of calls'
	@echo 'make format       let clang-format write the C files'
	@echo 'make deb          packages for Debian 12, in build/deb; make test-packages tries them (root)'
	@echo 'make fuzz         the fuzz targets, FUZZ_SECONDS=60 each (clang)'
	@echo 'make faults       SECONDS=60 SEED= SERVER=lighttpd|nginx|apache: everything that can fail,'
	@echo '                  at random, and nothing may be lost, doubled, reordered or untrue'
	@echo 'make soak         SECONDS=60 SEED= SERVER=lighttpd|nginx|apache|caddy|paper: the same for the client: tabs of a'
	@echo '                  browser that come, hang, freeze and go, a network that fails; nothing lost, doubled or'
	@echo '                  reordered, no state that is not so (paper: in one process, without a browser)'
	@echo 'make bench        the measurements, beside other programs; a part of them with'
	@echo '                  ONLY= SERVER= SYSTEMS= N= ROUNDS= (tests/bench/README.md)'
	@echo 'make deps         install what building, running and testing need'
	@echo 'make install      DESTDIR= PREFIX=$(PREFIX)'
	@echo 'make uninstall    DESTDIR= PREFIX=$(PREFIX); /etc/halley stays'
	@echo 'make clean        remove build/'
	@echo
	@echo 'SANITIZE=address,undefined builds into build/asan, SANITIZE=thread into build/tsan.'
	@echo 'V=1 shows the commands, WERROR=1 makes warnings errors, CC=clang takes clang.'

# --- programs ----------------------------------------------------------------

$(BUILD)/halley.fcgi: $(BUILD)/obj/fcgi-app/main.o $(BUILD)/libfcgi-app.a $(BUILD)/libcore.a
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(FCGI_LIBS) $(CORE_LIBS)

# The same objects with more rows in the table of protocols, for the tests and for
# `make run TEST=1`: which of two tables is linked is decided by which comes first.
TEST_PROGRAMS = $(BUILD)/test/halley.fcgi $(BUILD)/test/halley-worker

test-programs: $(TEST_PROGRAMS)

$(BUILD)/test/halley.fcgi: $(BUILD)/obj/fcgi-app/main.o $(ROWS_SRC:%.c=$(BUILD)/obj/%.o) \
    $(BUILD)/libfcgi-app.a $(BUILD)/libcore.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(FCGI_LIBS) $(CORE_LIBS)

$(BUILD)/test/halley-worker: $(BUILD)/halley-worker
	$(Q)mkdir -p $(@D) && ln -f $< $@

$(BUILD)/halley-worker: $(BUILD)/obj/worker/main.o $(BUILD)/libworker.a $(BUILD)/libcore.a
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CORE_LIBS)

$(BUILD)/halley: $(BUILD)/obj/operator/main.o $(BUILD)/liboperator.a $(BUILD)/libcore.a
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(OPERATOR_LIBS) $(CORE_LIBS)

# Everything but main(), for the programs and for their unit tests.
$(BUILD)/libcore.a:     $(call objects,$(CORE_SRC)) $(LUA_OBJ)
$(BUILD)/libfcgi-app.a: $(call objects,$(filter-out fcgi-app/main.c,$(FCGI_SRC)))
$(BUILD)/libworker.a:   $(call objects,$(filter-out worker/main.c,$(WORKER_SRC)))
$(BUILD)/liboperator.a: $(call objects,$(filter-out operator/main.c,$(OPERATOR_SRC)))
$(BUILD)/libtest.a:     $(call objects,$(LIB_SRC))
$(BUILD)/libunit.a:     $(call objects,$(filter-out tests/unit/test_%,$(UNIT_SRC)))

$(BUILD)/lib%.a:
	$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# The Redis function libraries, inside the programs: of core/redis/NAME.lua an array of bytes
# NAME_lua with a NUL behind it (a string literal of this length would not be portable C).  The
# digest of the text stands beside it, and in it: by that Redis tells which text it has.
$(BUILD)/gen/%_lua.c: core/redis/%.lua $(BUILD)/flags
	$(say) GEN $@
	$(Q)mkdir -p $(@D)
	$(Q)digest=$$(sha1sum $< | cut -c 1-40); \
	    { echo '#include <stddef.h>'; \
	      echo 'extern const char $*_lua[];'; \
	      echo 'extern const size_t $*_lua_len;'; \
	      echo 'const char $*_lua[] = {'; \
	      sed "s/^local DIGEST = ''/local DIGEST = '$$digest'/" $< | od -An -v -tx1 | sed "s/ \([0-9a-f][0-9a-f]\)/'\\\\x\1',/g"; \
	      echo '0};'; \
	      echo 'const size_t $*_lua_len = sizeof($*_lua) - 1;'; \
	      echo 'extern const char $*_lua_digest[];'; \
	      echo "const char $*_lua_digest[] = \"$$digest\";"; } >$@

$(LUA_OBJ): %.o: %.c $(BUILD)/flags
	$(say) CC $<
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Other flags, other objects: the file changes only when they do.  WERROR is left
# out, it makes no other code.
FLAGS = $(CC) $(filter-out -Werror,$(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS))
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS_TEXT" | cmp -s - $@ || printf '%s\n' "$$FLAGS_TEXT" >$@
$(BUILD)/flags: export FLAGS_TEXT = $(FLAGS)

# --- tests -------------------------------------------------------------------

# One Check program a file.  A unit test is linked with the modules of both
# programs; the linker takes what it calls.  An end-to-end test knows the programs
# only from outside.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
E2E_TESTS  := $(patsubst tests/e2e/%.c,$(BUILD)/tests/e2e/%,$(wildcard tests/e2e/test_*.c))

unit-tests: $(UNIT_TESTS)
e2e-tests: $(E2E_TESTS) $(TEST_PROGRAMS)

UNIT_LIBS = $(BUILD)/libunit.a $(BUILD)/libfcgi-app.a $(BUILD)/libworker.a $(BUILD)/liboperator.a \
            $(BUILD)/libcore.a $(BUILD)/libtest.a
$(UNIT_TESTS): $(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(FCGI_LIBS) $(CORE_LIBS)

$(BUILD)/libe2e.a: $(call objects,$(filter-out tests/e2e/test_%,$(E2E_SRC)))
$(E2E_TESTS): $(BUILD)/tests/e2e/%: $(BUILD)/obj/tests/e2e/%.o $(BUILD)/libe2e.a $(BUILD)/libtest.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

# A file in tests/bench is a program; so is the folder load; floor/ is two, for FastCGI
# and for HTTP.
LOAD_SRC := $(wildcard tests/bench/load/*.c)
FLOORS   := $(BUILD)/tests/bench/floor-fcgi $(BUILD)/tests/bench/floor-http
BENCHES  := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c)) \
            $(BUILD)/tests/bench/load $(FLOORS)

$(filter-out %/load %/floor-fcgi %/floor-http,$(BENCHES)): $(BUILD)/tests/bench/%: \
    $(BUILD)/obj/tests/bench/%.o
$(BUILD)/tests/bench/load: $(call objects,$(LOAD_SRC))
$(FLOORS): $(BUILD)/tests/bench/floor-%: $(BUILD)/obj/tests/bench/floor/%.o \
    $(call objects,$(addprefix tests/bench/floor/,floor.c content.c start.c))
$(BENCHES): $(BUILD)/libtest.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(TEST_LIBS) $(CORE_LIBS)

# Installs what is missing, then lets a fresh make see it.
WEB = $(or $(firstword $(subst -, ,$(SERVER))),lighttpd) $(if $(filter haproxy%,$(SERVER)),lighttpd)

deps:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy haproxy tls test fuzz lint

run:
	$(Q)deploy/install-deps build run $(WEB) $(if $(TLS_PORT),tls)
	$(Q)$(MAKE) --no-print-directory all $(if $(TEST),$(TEST_PROGRAMS))
	$(Q)deploy/install-clients || true
	$(Q)BIN_DIR=$(BUILD)$(if $(TEST),/test) $(if $(TEST),CONF=$(or $(CONF),tests/protocols/halley.conf)) \
	    exec deploy/run

# The browser's client, of its modules. What a site serves stands in the repository.
client:
	$(Q)node www/client/build.mjs

# tests/run builds and runs every suite, and counts.
test:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy haproxy tls deb test fuzz
	$(Q)MAKE='$(MAKE)' exec tests/run

# What browsers do, once more, over TLS with HTTP/2; `make test` does a part of it so.
test-http2:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy tls test
	$(Q)HTTP2=1 MAKE='$(MAKE)' exec tests/run pages firefox

# Faults at random, from a seed that it prints.
faults:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy haproxy tls test
	$(Q)$(MAKE) --no-print-directory all
	$(Q)[ tests/browser/node_modules/.package-lock.json -nt tests/browser/package-lock.json ] || \
	    (cd tests/browser && npm ci --no-audit --no-fund)
	$(Q)HALLEY_BIN_DIR=$(BUILD) SECONDS=$(or $(SECONDS),60) SEED=$(SEED) \
	    SERVER=$(or $(SERVER),lighttpd) exec node tests/faults/main.mjs

# Tabs, a network and people at random, from a seed that it prints.
soak:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy test
	$(Q)$(MAKE) --no-print-directory all
	$(Q)[ tests/browser/node_modules/.package-lock.json -nt tests/browser/package-lock.json ] || \
	    (cd tests/browser && npm ci --no-audit --no-fund)
	$(Q)HALLEY_BIN_DIR=$(BUILD) SECONDS=$(or $(SECONDS),60) SEED=$(SEED) SERVER=$(or $(SERVER),lighttpd) \
	    exec node tests/browser/soak/main.mjs

# The measurements, beside other programs: ONLY=, SERVER=, N=, ROUNDS= and more, see
# tests/bench/README.md.
bench:
	$(Q)deploy/install-deps build run lighttpd apache nginx caddy haproxy tls test bench
	$(Q)$(MAKE) --no-print-directory all $(BENCHES)
	$(Q)HALLEY_BIN_DIR=$(BUILD) exec tests/bench/run

# --- fuzzing -------------------------------------------------------------------

FUZZ_SECONDS = 60
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIB_SRC := $(CORE_SRC) $(filter-out fcgi-app/main.c,$(FCGI_SRC)) \
                $(filter-out worker/main.c,$(WORKER_SRC)) \
                $(filter-out tests/fuzz/fuzz_%,$(FUZZ_SRC)) $(wildcard tests/unit/model*.c)
fuzz_objects = $(patsubst %.c,build/fuzz/obj/%.o,$(1))
FUZZ_SAN     = address,undefined -fno-sanitize-recover=all
FUZZ_COMPILE = clang $(ALL_CPPFLAGS) -std=c11 -g -O1 -fno-strict-aliasing -pthread

# The modules of both programs, compiled once, with the counters that the fuzzer follows;
# every target is linked with what it calls of them.
FUZZ_LUA_OBJ = $(patsubst $(BUILD)/gen/%,build/fuzz/obj/gen/%,$(LUA_OBJ))
build/fuzz/libfuzz.a: $(call fuzz_objects,$(FUZZ_LIB_SRC)) $(FUZZ_LUA_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(FUZZ_LUA_OBJ): build/fuzz/obj/gen/%.o: build/gen/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_COMPILE) -c -o $@ $<

build/fuzz/obj/%.o: %.c Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_COMPILE) -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -MMD -MP -c -o $@ $<

$(FUZZERS): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libfuzz.a
	$(say) LINK $@
	$(Q)clang -pthread -fsanitize=fuzzer,$(FUZZ_SAN) -o $@ $^ $(FCGI_LIBS) $(CORE_LIBS) $(FUZZ_LIBS)

fuzzers: $(FUZZERS)

# A corpus beside a target (tests/fuzz/NAME.corpus/) is what it begins with.
fuzz:
	$(Q)deploy/install-deps build fuzz
	$(Q)$(MAKE) --no-print-directory fuzzers
	$(Q)for target in $(notdir $(FUZZERS)); do \
	    echo "== $$target"; mkdir -p build/fuzz/$$target.corpus; \
	    seeds=; [ ! -d tests/fuzz/$$target.corpus ] || seeds=tests/fuzz/$$target.corpus; \
	    build/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/$$target- build/fuzz/$$target.corpus $$seeds || exit 1; \
	done

# --- checks without running ------------------------------------------------------

SHELL_SRC = .ci/run deploy/install-deps deploy/install-clients deploy/render deploy/run deploy/make-deb deploy/nginx/split \
            $(wildcard deploy/debian/*.p*) tests/run tests/packages/clean-root tests/lint/include-law \
            tests/lint/call-law tests/lint/list.bash tests/lint/library-version \
            operator/halley.bash $(wildcard www/feeds/*.sh tests/bench/run)
TIDY_SRC  = $(ALL_SRC)

lint:
	$(Q)deploy/install-deps build test fuzz lint
	$(say) LINT format
	$(Q)clang-format --dry-run -Werror $(ALL_SRC) $(ALL_HDR)
	$(say) LINT 'include law'
	$(Q)tests/lint/include-law
	$(say) LINT 'call law'
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lint/call-law $(BUILD)
	$(say) LINT 'library version'
	$(Q)tests/lint/library-version
	$(say) LINT shell
	$(Q)shellcheck -x $(SHELL_SRC)
	$(say) LINT 'warnings, gcc and clang'
	$(Q)$(MAKE) --no-print-directory check-warnings CC=gcc WERROR=1
	$(Q)$(MAKE) --no-print-directory check-warnings CC=clang WERROR=1
	$(say) LINT clang-tidy
	$(Q)mkdir -p build && printf '%s\n' $(TIDY_SRC) | xargs -P "$$(nproc)" -I FILE \
	    clang-tidy --quiet FILE -- $(ALL_CPPFLAGS) -std=c11 2>build/clang-tidy.log || \
	    { grep -v 'warnings generated' build/clang-tidy.log; exit 1; }

check-warnings:
	$(Q)printf '%s\n' $(TIDY_SRC) | xargs -P "$$(nproc)" -n 1 $(COMPILE) -fsyntax-only

format:
	$(Q)clang-format -i $(ALL_SRC) $(ALL_HDR)

# --- installing ------------------------------------------------------------------

# The files that are installed name the place where Halley is.
placed = sed -e 's|/usr/local|$(PREFIX)|g'
put = $(Q)$(placed) $(1) >$(2)/$(notdir $(1)) && chmod 644 $(2)/$(notdir $(1))

D = $(DESTDIR)

install: all
	$(Q)install -d $(D)$(libdir) $(D)$(bindir) $(D)$(sharedir) $(D)$(docdir)/examples/lighttpd \
	    $(D)$(docdir)/examples/apache $(D)$(docdir)/examples/nginx $(D)$(docdir)/examples/caddy \
	    $(D)$(docdir)/examples/haproxy $(D)$(mandir)/man1 $(D)$(mandir)/man5 $(D)$(mandir)/man8 \
	    $(D)$(unitdir)/lighttpd.service.d $(D)$(compdir) $(D)/etc/halley
	$(Q)install -m 755 $(BUILD)/halley.fcgi $(D)$(libdir)/
	$(Q)install -m 755 $(BUILD)/halley-worker $(BUILD)/halley $(D)$(bindir)/
	$(Q)cp -R www $(D)$(sharedir)/ && rm -rf $(addprefix $(D)$(sharedir)/www/,clients dist node_modules) && \
	    chmod -R u=rwX,go=rX $(D)$(sharedir)/www
	$(call put,deploy/lighttpd/50-halley.conf,$(D)$(docdir)/examples/lighttpd)
	$(call put,deploy/lighttpd/50-halley-socket.conf,$(D)$(docdir)/examples/lighttpd)
	$(call put,deploy/lighttpd/50-halley-cgi.conf,$(D)$(docdir)/examples/lighttpd)
	$(call put,deploy/apache/halley.conf,$(D)$(docdir)/examples/apache)
	$(call put,deploy/apache/halley-fcgid.conf,$(D)$(docdir)/examples/apache)
	$(call put,deploy/apache/halley-cgi.conf,$(D)$(docdir)/examples/apache)
	$(call put,deploy/nginx/halley.conf,$(D)$(docdir)/examples/nginx)
	$(call put,deploy/nginx/halley-proxy.conf,$(D)$(docdir)/examples/nginx)
	$(call put,deploy/caddy/Caddyfile,$(D)$(docdir)/examples/caddy)
	$(call put,deploy/caddy/Caddyfile-fcgi,$(D)$(docdir)/examples/caddy)
	$(call put,deploy/haproxy/haproxy.cfg,$(D)$(docdir)/examples/haproxy)
	$(call put,deploy/haproxy/haproxy-fcgi.cfg,$(D)$(docdir)/examples/haproxy)
	$(call put,deploy/halley.conf,$(D)$(docdir)/examples)
	$(call put,deploy/demo.conf,$(D)$(docdir)/examples)
	$(call put,deploy/systemd/halley.service,$(D)$(unitdir))
	$(call put,deploy/systemd/halley.socket,$(D)$(unitdir))
	$(call put,deploy/systemd/halley-http.socket,$(D)$(unitdir))
	$(call put,deploy/systemd/halley-websocket.service,$(D)$(unitdir))
	$(call put,deploy/systemd/halley-worker.service,$(D)$(unitdir))
	$(call put,deploy/systemd/lighttpd.service.d/halley.conf,$(D)$(unitdir)/lighttpd.service.d)
	$(call put,deploy/halley.conf.5,$(D)$(mandir)/man5)
	$(call put,operator/halley.1,$(D)$(mandir)/man1)
	$(call put,fcgi-app/halley.fcgi.8,$(D)$(mandir)/man8)
	$(call put,worker/halley-worker.8,$(D)$(mandir)/man8)
	$(Q)install -m 644 operator/halley.bash $(D)$(compdir)/halley
	$(Q)install -m 644 LICENSE fcgi-app/PROTOCOL.md $(wildcard doc/*.md) $(D)$(docdir)/
	$(Q)install -d $(D)$(docdir)/pages && install -m 644 $(wildcard doc/pages/*) $(D)$(docdir)/pages/
	$(Q)sed 's|fcgi-app/PROTOCOL.md|PROTOCOL.md|g' README.md >$(D)$(docdir)/README.md && \
	    chmod 644 $(D)$(docdir)/README.md
	$(Q)if [ -e $(D)/etc/halley/halley.conf ]; then \
	    echo 'kept $(D)/etc/halley/halley.conf as it is'; \
	else install -m 644 $(D)$(docdir)/examples/halley.conf $(D)/etc/halley/halley.conf; fi

# The packages of Debian, in build/deb: halley and halley-www.
deb:
	$(Q)deploy/install-deps build deb
	$(Q)deploy/make-deb $(VERSION) build/deb

# ... tried in a clean Debian 12, with a systemd of its own; as root, some minutes.
test-packages: deb
	$(Q)deploy/install-deps build deb test-packages
	$(Q)tests/packages/clean-root build/deb

# Takes away what `install` put there, with the same DESTDIR and PREFIX; /etc/halley is the
# administrator's, and stays.
uninstall:
	$(Q)rm -rf $(D)$(libdir) $(D)$(sharedir) $(D)$(docdir)
	$(Q)rm -f $(D)$(bindir)/halley-worker $(D)$(bindir)/halley $(D)$(compdir)/halley \
	    $(D)$(mandir)/man1/halley.1 $(D)$(mandir)/man5/halley.conf.5 \
	    $(D)$(mandir)/man8/halley.fcgi.8 $(D)$(mandir)/man8/halley-worker.8 \
	    $(addprefix $(D)$(unitdir)/,$(notdir $(wildcard deploy/systemd/*.socket deploy/systemd/*.service))) \
	    $(D)$(unitdir)/lighttpd.service.d/halley.conf
	$(Q)[ ! -d $(D)$(unitdir)/lighttpd.service.d ] || \
	    rmdir --ignore-fail-on-non-empty $(D)$(unitdir)/lighttpd.service.d

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj $(BUILD)/gen build/fuzz/obj -name '*.d' 2>/dev/null)
