/*
 * sound.h
 *		Whether a run's row and record are what the machine can have written.
 *
 * Pure.  An executor asks when it loads a run, before it acts on it: a row that
 * was changed by hand, forged or damaged is parked and never executed.
 */
#ifndef WF_CORE_SOUND_H
#define WF_CORE_SOUND_H

/* of an unfinished run that is about to be executed */
typedef struct WfSoundRun
{
	char state;
	char waiting_for; /* 0: NULL */
	char end_state;	  /* 0: NULL */
	bool finished;	  /* it has an end time */
	bool began;		  /* it has a start time */
	bool chunk;		  /* part of a parent */
	bool has_parent;
} WfSoundRun;

/* of one recorded call */
typedef struct WfSoundCall
{
	int ordinal;
	char kind;
	bool is_known; /* there is such a kind */
	bool may_wait; /* its outcome may come from elsewhere */
	bool at_once;  /* it is done by being made: neither fails nor waits */
	char state;
	const char *name;
	bool has_command;
	bool has_result;
	bool has_error;
	bool obliges; /* registers an undo of this run, see core/replay.h */
} WfSoundCall;

/* What contradicts what, as a full sentence, or NULL. */
extern const char *wf_sound_run(const WfSoundRun *run);

/*
 * The same of the record of such a run, in the order of ordinals; *at is the
 * ordinal that it is about, or 0.
 */
extern const char *wf_sound_record(const WfSoundRun *run,
								   const WfSoundCall *calls, int n, int *at);

#endif /* WF_CORE_SOUND_H */
