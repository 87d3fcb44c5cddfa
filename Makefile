# workflow: build with PGXS, test on a private server.
#
#   make, make install     build and install, for the PostgreSQL of PG_CONFIG
#   make installcheck      regression tests on the server that has it loaded
#   make dist              the archive for PGXN
#   make deb               Debian packages for the versions that are installed
#   make check             every test;  make check-<group>  one group of them
#   make demo              the main job, shown on a throw-away server
#   make psql              a prompt on a throw-away server
#   make check-long        the long forms of tests that have one
#   make simulate          the scheduler's plan in a simulated world, for long
#   make bench             the benchmarks
#   make bench-long        with a snapshot held for 30 minutes
#   make bench-recovery    how soon all is well after each kind of shortage
#   make bench-pairs OLD=commit   this tree beside that commit, in turns
#   make fuzz              anything passed to every function, FUZZ_CALLS times
#
# The test targets install missing Debian packages when run as root.  They
# write below WF_BUILD (build/ by default) and nowhere else.  PG_CONFIG chooses
# another PostgreSQL, TESTS="010 queue" only the test files named like that.
#
# The extension may be built in another folder: make -f /path/to/Makefile.

# The folder of this file, "./" or with a slash at the end.
WF_SRC := $(dir $(firstword $(MAKEFILE_LIST)))
wf_files = $(patsubst $(WF_SRC)%,%,$(sort $(wildcard $(1:%=$(WF_SRC)%))))

EXTENSION = workflow
MODULE_big = workflow
DATA = $(call wf_files,sql/workflow--*.sql)
OBJS = $(patsubst %.c,%.o,$(call wf_files,src/*.c src/*/*.c))

PG_CPPFLAGS = -I$(patsubst ./%,%,$(WF_SRC)src) -MMD -MP
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers

# Equal sources give equal libraries, wherever they are built.
PG_CFLAGS += -ffile-prefix-map=$(CURDIR)=. $(WF_SRC:%=-ffile-prefix-map=%=)
EXTRA_CLEAN = build $(OBJS:.o=.d)

# Stop points and the test clock: never in what users install.
ifdef WF_TEST_BUILD
PG_CPPFLAGS += -DWF_TEST_BUILD
endif

TEST_GROUPS = build layers headers style syntax core regress isolation tap crash
TEST_TARGETS = check $(TEST_GROUPS:%=check-%) check-long simulate demo psql bench \
	bench-long bench-pairs bench-recovery fuzz
BUILD_TARGETS = all install uninstall clean installcheck dist deb

.DEFAULT_GOAL = all

ifeq ($(filter $(TEST_TARGETS),$(MAKECMDGOALS)),)

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifeq ($(PGXS),)
$(error "$(PG_CONFIG)" has no server development files: install \
	postgresql-server-dev-N, or set PG_CONFIG=/path/to/pg_config)
endif

# No bitcode: building must not need clang.
override with_llvm = no

# installcheck: what needs neither the test clock nor stop points, and alters
# no setting of the server.
WF_STEERED = $(shell grep -lE 'workflow\.test_|ALTER SYSTEM|_workflow\.test_' \
	$(addprefix $(WF_SRC),$(call wf_files,sql/*.sql)))
REGRESS = $(patsubst sql/%.sql,%,$(filter-out $(DATA) \
	$(patsubst $(WF_SRC)%,%,$(WF_STEERED)),$(call wf_files,sql/*.sql)))
REGRESS_OPTS = --load-extension=workflow

include $(PGXS)

# Header dependencies as the compiler wrote them; a folder that is not the
# sources' own has no folders for objects yet.
-include $(OBJS:.o=.d)
$(shell mkdir -p $(sort $(dir $(OBJS))))

installcheck: check-preloaded

.PHONY: check-preloaded dist deb
check-preloaded:
	@libraries=$$($(bindir)/psql -XAt -d postgres \
		-c 'SHOW shared_preload_libraries') || exit 1; \
	case ",$$libraries," in *workflow*) ;; *) \
		echo "the server has not loaded workflow: add it to" \
			"shared_preload_libraries and restart it" >&2; exit 1;; esac

dist:
	@$(WF_SRC)packaging/dist

deb:
	@$(WF_SRC)packaging/deb

else

# PGXS stays out: it claims "check", and on a fresh machine it is not there.

.PHONY: $(TEST_TARGETS) $(BUILD_TARGETS)

check:
	@$(WF_SRC)test/run

$(TEST_GROUPS:%=check-%): check-%:
	@$(WF_SRC)test/run $*

# The long forms of tests that have one.
check-long:
	@$(WF_SRC)test/run long

# SIM_EVENTS and SIM_SEED: how many events, and which.
simulate:
	@$(WF_SRC)test/run simulate

# Numbers without real flushes would mean nothing.
demo:
	@WF_FSYNC=on $(WF_SRC)test/server run test/demo/run

psql:
	@$(WF_SRC)test/server run psql

bench:
	@WF_FSYNC=on $(WF_SRC)test/server run test/bench/run

bench-long:
	@WF_FSYNC=on BENCH_ONLY=snapshot BENCH_HOLD=1800 \
		$(WF_SRC)test/server run test/bench/run

bench-pairs:
	@$(WF_SRC)test/bench/pairs $(OLD)

bench-recovery:
	@$(WF_SRC)test/run recovery

fuzz:
	@WF_TEST_BUILD=1 $(WF_SRC)test/server run test/fuzz/fuzz \
		--calls $(or $(FUZZ_CALLS),20000) $(FUZZ_SEED:%=--seed %)

$(BUILD_TARGETS):
	@$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) $@

endif
