# workflow: build with PGXS, test on a private server.
#
#   make, make install     build and install, for the PostgreSQL of PG_CONFIG
#   make check             every test;  make check-<group>  one group of them
#   make demo              the main job, shown on a throw-away server
#   make psql              a prompt on a throw-away server
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

EXTENSION = workflow
MODULE_big = workflow
DATA = $(wildcard sql/workflow--*.sql)
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers
EXTRA_CLEAN = build

# Stop points and the test clock: never in what users install.
ifdef WF_TEST_BUILD
PG_CPPFLAGS += -DWF_TEST_BUILD
endif

TEST_GROUPS = build layers headers style syntax core regress isolation tap crash
TEST_TARGETS = check $(TEST_GROUPS:%=check-%) simulate demo psql bench \
	bench-long bench-pairs bench-recovery fuzz
BUILD_TARGETS = all install uninstall clean

.DEFAULT_GOAL = all

ifeq ($(filter $(TEST_TARGETS),$(MAKECMDGOALS)),)

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifeq ($(PGXS),)
$(error PostgreSQL's server development files are missing: install \
	postgresql-server-dev-15, or set PG_CONFIG)
endif

# No bitcode: building must not need clang.
override with_llvm = no
include $(PGXS)

# PGXS tracks no headers unless PostgreSQL was configured to.
$(OBJS): $(wildcard src/*/*.h)

else

# PGXS stays out: it claims "check", and on a fresh machine it is not there.

.PHONY: $(TEST_TARGETS) $(BUILD_TARGETS)

check:
	@test/run

$(TEST_GROUPS:%=check-%): check-%:
	@test/run $*

# SIM_EVENTS and SIM_SEED: how many events, and which.
simulate:
	@test/run simulate

# Numbers without real flushes would mean nothing.
demo:
	@WF_FSYNC=on test/server run test/demo/run

psql:
	@test/server run psql

bench:
	@WF_FSYNC=on test/server run test/bench/run

bench-long:
	@WF_FSYNC=on BENCH_ONLY=snapshot BENCH_HOLD=1800 \
		test/server run test/bench/run

bench-pairs:
	@test/bench/pairs $(OLD)

bench-recovery:
	@test/run recovery

fuzz:
	@WF_TEST_BUILD=1 test/server run test/fuzz/fuzz \
		--calls $(or $(FUZZ_CALLS),20000) $(FUZZ_SEED:%=--seed %)

$(BUILD_TARGETS):
	@$(MAKE) --no-print-directory $@

endif
