/*
 * rules.h
 *		What a queue allows.
 */
#ifndef WF_CORE_RULES_H
#define WF_CORE_RULES_H

/* the queue that is always there */
#define WF_DEFAULT_QUEUE 0

/* how many starts a group gets in its turn, where it is not one */
typedef struct WfGroupWeight
{
	uint64 group; /* wf_group_hash() of the name */
	int32 weight; /* 1 or more */
} WfGroupWeight;

/* what decides over starts; limits that are NULL in the table are 0 */
typedef struct WfQueueRules
{
	int32 queue_id;
	bool paused;
	bool blocks; /* on_group_failure => 'block' */
	bool fair;
	int32 max_running;
	int32 max_active;
	int32 group_max_active;
	int32 rate_limit;
	int32 group_rate_limit;
	int64 rate_period;	 /* microseconds */
	bool group_by_owner; /* groups of one name are apart for each owner */
	int nweights;
	WfGroupWeight *weights; /* sorted by group */
} WfQueueRules;

#endif /* WF_CORE_RULES_H */
