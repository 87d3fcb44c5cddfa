/*
 * marks.c
 *		Who was in user code when the server went down.
 *
 * The file: a header, one live entry per slot, and the entries kept for the
 * schedulers.  It is mapped shared, so what stands in it outlives any process
 * (though not the machine, after which it may be old: then everything in it is
 * only suspicion).  An executor writes its live entry alone.  The launcher
 * writes a new file at the first start after shared memory was made, when no
 * executor can be there: what was live and not told to quit moves to the kept
 * ones, so that a slot can be used again before its mark was settled, and a
 * crash before that changes nothing.  A scheduler clears the kept entries of
 * its own database in place.
 *
 * "Of the same postmaster" is its pid and its start time, which it sets once
 * and which its children inherit: both survive a crash restart, and change
 * with every other one.
 *
 * A process that ends in an orderly way clears its mark: only one whose end
 * makes the postmaster restart everything leaves it.
 *
 * Locking: none.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "ipc/marks.h"
#include "ipc/shmem.h"

#define WF_MARKS_FILE	   PG_STAT_TMP_DIR "/workflow.marks"
#define WF_MARKS_MAGIC	   0x57464d32 /* changes with the layout */
#define WF_MARKS_KEPT	   1024
#define WF_MARKS_MAX_SLOTS 0x3FFFF

typedef struct MarksHeader
{
	uint32 magic;
	int32 nslots;
	int64 postmaster_pid;
	TimestampTz postmaster_start;
	uint64 padding;
} MarksHeader;

typedef struct LiveMark
{
	uint32 in_use; /* written last, cleared first */
	uint32 told;   /* the SIGQUIT handler ran, or it is not its fault */
	int32 ordinal;
	int32 attempt;
	pg_uuid_t run_id;
	uint64 crash_id;
	Oid database;
	uint32 padding;
	char step_name[NAMEDATALEN];
} LiveMark;

typedef struct KeptMark
{
	uint32 in_use;
	uint32 padding;
	WfMark mark;
} KeptMark;

typedef struct MarksFile
{
	MarksHeader *header;
	LiveMark *live;
	KeptMark *kept;
	Size size;
} MarksFile;

static MarksFile mapped; /* header NULL when not mapped */
static LiveMark *my_mark = NULL;
static pg_prng_state crash_ids;

static Size
file_size(int nslots)
{
	return sizeof(MarksHeader) + nslots * sizeof(LiveMark) +
		   WF_MARKS_KEPT * sizeof(KeptMark);
}

static void
file_layout(MarksFile *file, char *base, int nslots)
{
	file->header = (MarksHeader *) base;
	file->live = (LiveMark *) (base + sizeof(MarksHeader));
	file->kept = (KeptMark *) (file->live + nslots);
	file->size = file_size(nslots);
}

/* Does the memory hold a file that we wrote? */
static bool
file_is_valid(const char *base, Size size)
{
	const MarksHeader *header = (const MarksHeader *) base;

	return size >= sizeof(MarksHeader) && header->magic == WF_MARKS_MAGIC &&
		   header->nslots >= 0 && header->nslots <= WF_MARKS_MAX_SLOTS &&
		   file_size(header->nslots) == size;
}

static bool
same_postmaster(const MarksHeader *header)
{
	return header->postmaster_pid == PostmasterPid &&
		   header->postmaster_start == PgStartTime;
}

/*
 * Maps the file, once per process.  False when that is not possible; then
 * crashes are not accounted for, and that is said in the log (by the launcher,
 * if it could not even write the file).
 */
static bool
file_map(void)
{
	int fd;
	struct stat st;
	char *base = MAP_FAILED;

	if (mapped.header != NULL)
		return true;
	if (!wf_shared->marks_usable)
		return false;

	fd = BasicOpenFile(WF_MARKS_FILE, O_RDWR | PG_BINARY);
	if (fd >= 0 && fstat(fd, &st) == 0 &&
		st.st_size == file_size(wf_shared->nslots))
		base =
			mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (base == MAP_FAILED || !file_is_valid(base, st.st_size))
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\"", WF_MARKS_FILE),
				 errdetail("A run that crashes the server will not be recognized.")));
		return false;
	}
	file_layout(&mapped, base, wf_shared->nslots);
	return true;
}

/* ---- executor ---- */

/* SIGQUIT: the postmaster says that somebody else died, or that all must. */
static void
told_to_quit(SIGNAL_ARGS)
{
	if (my_mark != NULL)
		my_mark->told = 1;
	SignalHandlerForCrashExit(postgres_signal_arg);
}

/*
 * Anything but 0 and 1 the postmaster takes for a crash; -1 is said when user
 * code has called exit(), and with what is not known.
 */
static void
clear_at_exit(int code, Datum arg)
{
	if (code == 0 || code == 1)
		wf_mark_clear();
}

void
wf_marks_attach(int slot)
{
	if (!file_map())
		return;
	if (!pg_prng_strong_seed(&crash_ids))
		pg_prng_seed(&crash_ids, (uint64) wf_clock_now() ^ MyProcPid);
	my_mark = &mapped.live[slot];
	my_mark->in_use = 0;
	my_mark->told = 0;
	on_shmem_exit(clear_at_exit, (Datum) 0);
	pqsignal(SIGQUIT, told_to_quit);
}

void
wf_mark_set(const pg_uuid_t *run_id, int ordinal, int attempt,
			const char *step_name)
{
	if (my_mark == NULL)
		return;
	my_mark->in_use = 0;
	pg_compiler_barrier();
	my_mark->run_id = *run_id;
	my_mark->ordinal = ordinal;
	my_mark->attempt = attempt;
	if (step_name != NULL)
		memcpy(my_mark->step_name, step_name, NAMEDATALEN);
	my_mark->database = MyDatabaseId;
	my_mark->crash_id = pg_prng_uint64(&crash_ids);
	pg_compiler_barrier(); /* one process wrote it, in program order */
	my_mark->in_use = 1;
}

void
wf_mark_excuse(void)
{
	if (my_mark != NULL)
		my_mark->told = 1;
}

void
wf_mark_clear(void)
{
	if (my_mark != NULL)
		my_mark->in_use = 0;
}

/* ---- launcher ---- */

/* Reads the whole file into memory; NULL when there is none of ours. */
static char *
file_read(Size *size)
{
	int fd = BasicOpenFile(WF_MARKS_FILE, O_RDONLY | PG_BINARY);
	struct stat st;
	char *base = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size >= sizeof(MarksHeader) &&
		st.st_size <= file_size(WF_MARKS_MAX_SLOTS))
	{
		*size = st.st_size;
		base = palloc(*size);
		if (read(fd, base, *size) != *size || !file_is_valid(base, *size))
		{
			pfree(base);
			base = NULL;
		}
	}
	close(fd);
	return base;
}

/* When there is no room, the oldest goes: it is first. */
static void
keep(MarksFile *file, const WfMark *mark)
{
	int n;

	for (n = 0; n < WF_MARKS_KEPT && file->kept[n].in_use; n++)
	{
		if (file->kept[n].mark.crash_id == mark->crash_id)
			return;
	}
	if (n == WF_MARKS_KEPT)
	{
		n--;
		memmove(file->kept, file->kept + 1, n * sizeof(KeptMark));
	}
	file->kept[n].mark = *mark;
	file->kept[n].in_use = 1;
}

static int
count_unmarked(const MarksFile *file)
{
	int n = 0;

	for (int i = 0; i < file->header->nslots; i++)
	{
		if (file->live[i].in_use && !file->live[i].told)
			n++;
	}
	return n;
}

/* Moves what the old file says into the new one. */
static void
take_over(MarksFile *file, const MarksFile *old)
{
	bool culprit = same_postmaster(old->header) && count_unmarked(old) == 1;

	for (int i = 0; i < WF_MARKS_KEPT; i++)
	{
		if (old->kept[i].in_use)
			keep(file, &old->kept[i].mark);
	}
	for (int i = 0; i < old->header->nslots; i++)
	{
		const LiveMark *live = &old->live[i];
		WfMark mark = {0};

		if (!live->in_use || live->told)
			continue;
		mark.run_id = live->run_id;
		mark.ordinal = live->ordinal;
		mark.attempt = live->attempt;
		strlcpy(mark.step_name, live->step_name, NAMEDATALEN);
		mark.database = live->database;
		mark.crash_id = live->crash_id;
		mark.culprit = culprit;
		keep(file, &mark);
	}
}

static bool
file_write(const MarksFile *file)
{
	const char *temp = WF_MARKS_FILE ".tmp";
	int fd = BasicOpenFile(temp, O_CREAT | O_TRUNC | O_RDWR | PG_BINARY);
	bool done = false;

	if (fd >= 0)
	{
		errno = ENOSPC; /* where write() does not say why */
		done = write(fd, file->header, file->size) == file->size;
		close(fd);
	}
	if (done && rename(temp, WF_MARKS_FILE) == 0)
		return true;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", WF_MARKS_FILE),
			 errdetail("A run that crashes the server will not be recognized.")));
	return false;
}

/*
 * Does nothing when a launcher did it since shared memory was made: executors
 * may be running.
 */
void
wf_marks_collect(void)
{
	MarksFile file;
	MarksFile old;
	Size size;
	char *base;

	if (wf_shared->marks_collected)
		return;

	file_layout(&file, palloc0(file_size(wf_shared->nslots)),
				wf_shared->nslots);
	file.header->magic = WF_MARKS_MAGIC;
	file.header->nslots = wf_shared->nslots;
	file.header->postmaster_pid = PostmasterPid;
	file.header->postmaster_start = PgStartTime;

	base = file_read(&size);
	if (base != NULL)
	{
		file_layout(&old, base, ((MarksHeader *) base)->nslots);
		take_over(&file, &old);
		pfree(base);
	}
	wf_shared->marks_usable = file_write(&file);
	pfree(file.header);
	wf_shared->marks_collected = true;
}

/* ---- scheduler ---- */

int
wf_marks_read(Oid database, WfMark **marks)
{
	int n = 0;

	*marks = palloc(WF_MARKS_KEPT * sizeof(WfMark));
	if (!file_map())
		return 0;
	for (int i = 0; i < WF_MARKS_KEPT; i++)
	{
		if (mapped.kept[i].in_use && mapped.kept[i].mark.database == database)
			(*marks)[n++] = mapped.kept[i].mark;
	}
	return n;
}

/*
 * Kept entries of other databases stay where they are, so there may be gaps;
 * the launcher closes them when it next writes the file.
 */
void
wf_marks_settle(Oid database)
{
	if (!file_map())
		return;
	for (int i = 0; i < WF_MARKS_KEPT; i++)
	{
		if (mapped.kept[i].mark.database == database)
			mapped.kept[i].in_use = 0;
	}
}
