# hone: `make demo` shows it all, `make test` proves it. `make show` prints what was resolved.

PREFIX   ?= /usr/local
B        ?= build
CC       ?= cc
CXX      ?= c++
CFLAGS   ?= -O2 -g
CXXFLAGS ?= $(CFLAGS)
WARN      = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla $(if $(CI),-Werror)
PACKAGES  = sqlite3 jansson popt libpcre2-8 zlib
VERSION  := $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)
CPPFLAGS += -I. -I$(B) -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 -DHONE_VERSION='"$(VERSION)"'
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
LIBS       = $(shell pkg-config --libs $(PACKAGES)) -lOpenCL -lm -lpthread -ldl -lstdc++
FLAGS      = -std=gnu17 $(WARN) $(CPPFLAGS) $(PKG_CFLAGS)
CXX_FLAGS  = -std=gnu++17 $(filter-out %-prototypes,$(WARN)) $(CPPFLAGS)

ROOMS   = base device kernels results tuner runtime
SOURCES = $(foreach r,$(ROOMS),$(wildcard $(r)/*.c $(r)/*/*.c))
SHIMS   = $(wildcard $(ROOMS:%=%/*.cc))
OBJECTS = $(SOURCES:%.c=$(B)/%.o) $(SHIMS:%.cc=$(B)/%.o) $(B)/embedded.o
CLI     = $(patsubst %.c,$(B)/%.o,$(wildcard cli/*.c))
TESTS   = $(patsubst %.c,$(B)/%,$(wildcard tests/*/test_*.c tests/test_*.c))
PRELOADS = $(patsubst %.c,$(B)/%.so,$(filter-out tests/support.c,$(filter-out $(wildcard tests/*/test_*.c),$(wildcard tests/*/*.c))))
EMBED   = $(wildcard tuner/*.cl kernels/*.cl kernels/*.clh kernels/*/*.cl kernels/*/*.clh results/schema.sql results/profiles/*.profile plots/*.gp plots/*.sql plots/*.html)
EMBED_H = $(wildcard kernels/*.c kernels/*/*.c kernels/*.def)

# `make V=1` shows whole commands, else what is made.
say = $(if $(V),,@echo '  $(1)	$@';)

# One compiler a processor, unless -j says otherwise.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# The program.
all: $(B)/hone

# From a fresh machine to a chat on tuned kernels: set-up, build, model, a minute of tuning, both speeds.
demo: setup
	$(MAKE) $(PARALLEL) all
	sh setup/demo.sh $(B)/hone

# The same set-up, then every test. Without network and model the tests of the model are skipped.
test: setup
	MODEL= sh setup/model.sh >/dev/null || true
	$(MAKE) $(PARALLEL) all $(B)/tests/all
	sh tests/run.sh $(B)

# All faults of OpenCL that tests know, and what became of them; a refused call at every place from which a
# session calls OpenCL, one after the other: 12 minutes on two cores of a Zen 4, more than an hour on a busy Xeon.
faults: all $(B)/tests/tuner/test_faults $(B)/tests/device/faults.so
	HONE_PROGRAM=$(B)/hone HONE_FAULT_SWEEP="new 1 9999" $(B)/tests/tuner/test_faults

# Tune here for minutes what profiles hold, and write this device's into results/profiles/.
profiles: all
	sh setup/profiles.sh $(B)/hone

# Format, room rules, clang-tidy, cppcheck.
check: setup
	sh setup/check.sh

# Debian packages that are missing (packages.debian); does nothing when all are there.
setup:
	sh setup/install.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/doc/hone
	install -m 755 $(B)/hone $(DESTDIR)$(PREFIX)/bin/hone
	install -m 644 kernels/hone_reference.h $(DESTDIR)$(PREFIX)/include
	install -m 644 README.md LICENSE docs/*.md docs/gemm.svg $(DESTDIR)$(PREFIX)/share/doc/hone

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/hone $(DESTDIR)$(PREFIX)/include/hone_reference.h
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/hone

$(B)/hone: $(CLI) $(B)/libhone.a
	$(call say,link)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

$(B)/libhone.a: $(OBJECTS)
	$(call say,ar)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(CFLAGS) $(FLAGS) -MMD -MP -c -o $@ $<

# A library's C++ behind a C header; nothing else is C++.
$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,cxx)$(CXX) $(CXXFLAGS) $(CXX_FLAGS) -MMD -MP -c -o $@ $<

# The version is compiled into few objects, which follow it.
$(B)/version: always
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
$(B)/cli/main.o $(B)/cli/share.o $(B)/cli/doctor.o: $(B)/version

# Kernel sources, the schema and plot scripts travel inside the program; C files only as a hash.
$(B)/embedded.c: docs/embed.sh $(EMBED) $(EMBED_H)
	@mkdir -p $(@D)
	$(call say,embed)sh docs/embed.sh "$(EMBED)" "$(EMBED_H)" > $@

$(B)/embedded.o: $(B)/embedded.c
	$(call say,cc)$(CC) -std=gnu17 -O1 $(CPPFLAGS) -c -o $@ $<

# Every tests/<room>/test_<file>.c is one Criterion program.
$(B)/tests/%: tests/%.c $(B)/libhone.a $(B)/tests/support.o
	@mkdir -p $(@D)
	$(call say,test)$(CC) $(CFLAGS) $(FLAGS) -MMD -MP -o $@ $< $(B)/tests/support.o $(B)/libhone.a $(LIBS) -lcriterion $(LDFLAGS)

.SECONDARY: $(B)/tests/support.o

# What tests put before a library of the system: it fails on purpose.
$(B)/tests/%.so: tests/%.c
	@mkdir -p $(@D)
	$(call say,test)$(CC) $(CFLAGS) $(FLAGS) -fPIC -shared -MMD -MP -o $@ $< -ldl

$(B)/tests/all: $(TESTS) $(PRELOADS)
	@touch $@

# What was resolved.
show:
	@echo "CC       $(CC)"; echo "CXX      $(CXX)"; echo "VERSION  $(VERSION)"; echo "PREFIX   $(PREFIX)"
	@echo "CFLAGS   $(CFLAGS) $(WARN) $(PKG_CFLAGS)"; echo "LIBS     $(LIBS)"
	@echo "SOURCES  $(words $(SOURCES)) files"; echo "TESTS    $(words $(TESTS)) programs"; echo "EMBED    $(EMBED)"

# How a file is compiled, for tools that read C (setup/check.sh).
flags:
	@echo $(FLAGS)

clean:
	rm -rf $(B)

.PHONY: always all demo test faults profiles check setup install uninstall show flags clean
.DELETE_ON_ERROR:
-include $(OBJECTS:.o=.d) $(CLI:.o=.d) $(TESTS:=.d) $(PRELOADS:.so=.d) $(B)/tests/support.d
