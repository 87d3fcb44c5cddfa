/*
 * plan_group.c
 *		Queues and groups by key, and where a group stands.
 *
 * Groups that could start something stand in `turns` (fair: one after the
 * other) or in `heads`, a heap by their first entries; those that wait for
 * their rate limit in another heap, by time; strict ones whose first entry may
 * turn out not to be the first (plan_scan.c) in a third, by its place; and all
 * others are out of the way, however many they are.
 */
#include "postgres.h"

#include "core/plan_hash.h"
#include "core/plan_parts.h"

#include "common/hashfn.h"


/* ---- queues and groups by key ---- */

typedef struct GroupSlot
{
	uint64 hash;
	WfGroup *group;
	char status;
} GroupSlot;

#define SH_PREFIX			 wf_groups
#define SH_ELEMENT_TYPE		 GroupSlot
#define SH_KEY_TYPE			 uint64
#define SH_KEY				 hash
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_RAW_ALLOCATOR	 WF_HASH_RAW
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"
WF_HASH_MEMORY(wf_groups)

typedef struct QueueSlot
{
	int32 queue_id;
	WfQueue *queue;
	char status;
} QueueSlot;

#define SH_PREFIX			 wf_queues
#define SH_ELEMENT_TYPE		 QueueSlot
#define SH_KEY_TYPE			 int32
#define SH_KEY				 queue_id
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key))
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_RAW_ALLOCATOR	 WF_HASH_RAW
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"
WF_HASH_MEMORY(wf_queues)

/* by the first entry of each */
static bool
head_before(const WfHeapNode *a, const WfHeapNode *b)
{
	const WfStand *x = wf_const_container_of(WfStand, node, a);
	const WfStand *y = wf_const_container_of(WfStand, node, b);

	return wf_starts_before(wf_group_first(x), wf_group_first(y));
}

static bool
rate_before(const WfHeapNode *a, const WfHeapNode *b)
{
	return wf_const_container_of(WfStand, node, a)->rate_free_at <
		   wf_const_container_of(WfStand, node, b)->rate_free_at;
}

static bool
behind_before(const WfHeapNode *a, const WfHeapNode *b)
{
	const WfStand *x = wf_const_container_of(WfStand, node, a);
	const WfStand *y = wf_const_container_of(WfStand, node, b);

	return wf_group_first(x)->group_place < wf_group_first(y)->group_place;
}

static WfQueue *
make_queue(WfPlan *plan, int32 queue_id)
{
	WfQueue *queue =
		wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY, sizeof(WfQueue));

	queue->rules.queue_id = queue_id;
	queue->known_to = queue->ranges_to = PG_INT64_MAX;
	dlist_init(&queue->hand);
	dlist_init(&queue->doors);
	queue->groups = wf_groups_create(16, &plan->memory);
	for (int i = 0; i < WF_SIDES; i++)
	{
		WfSide *side = &queue->sides[i];

		wf_line_init(&side->resumed, false);
		wf_line_init(&side->held, false);
		wf_line_init(&side->plain, false);
		dlist_init(&side->turns);
		wf_heap_init(&side->heads, head_before);
		wf_heap_init(&side->rate_waits, rate_before);
		wf_heap_init(&side->behind, behind_before);
	}
	dlist_push_tail(&plan->queues, &queue->node);
	return queue;
}

WfQueue *
wf_group_queue(WfPlan *plan, int32 queue_id, bool make)
{
	QueueSlot *slot;
	bool found;

	if (queue_id == WF_DEFAULT_QUEUE)
	{
		if (plan->plain == NULL && make)
		{
			plan->plain = make_queue(plan, queue_id);
			plan->plain->spill = plan->spill;
		}
		return plan->plain;
	}
	if (!make)
	{
		slot = wf_queues_lookup(plan->by_id, queue_id);
		return slot != NULL ? slot->queue : NULL;
	}
	slot = wf_queues_insert(plan->by_id, queue_id, &found);
	if (!found)
		slot->queue = make_queue(plan, queue_id);
	return slot->queue;
}

WfGroup *
wf_group_find(WfQueue *queue, uint64 hash)
{
	GroupSlot *slot = wf_groups_lookup(queue->groups, hash);

	return slot != NULL ? slot->group : NULL;
}

/* Do groups matter at all in this queue? */
static bool
has_groups(const WfQueueRules *rules)
{
	return rules->fair || rules->blocks || rules->group_max_active > 0 ||
		   rules->group_rate_limit > 0;
}

/*
 * The owner changes the lower half alone, and each in another way: groups of one
 * name never meet, and their weight is found by the upper half.
 */
uint64
wf_group_of(const WfQueueRules *rules, uint64 hash, Oid owner)
{
	if (!rules->group_by_owner || hash == 0)
		return hash;
	hash ^= murmurhash32(owner);
	return hash != 0 ? hash : 1;
}

/* what two hashes have in common that mean the same name */
static uint64
name_of(const WfQueueRules *rules, uint64 hash)
{
	return rules->group_by_owner ? hash >> 32 : hash;
}

static int32
weight_of(const WfQueueRules *rules, uint64 hash)
{
	uint64 name = name_of(rules, hash);
	int low = 0;
	int high = rules->nweights - 1;

	while (low <= high)
	{
		int i = (low + high) / 2;

		uint64 other = name_of(rules, rules->weights[i].group);

		if (other == name)
			return rules->weights[i].weight;
		if (other < name)
			low = i + 1;
		else
			high = i - 1;
	}
	return 1;
}

/* Hash 0 is what has no group: in a fair queue it takes turns like one. */
WfGroup *
wf_group_get(WfPlan *plan, WfQueue *queue, uint64 hash)
{
	GroupSlot *slot;
	bool found;

	if (!has_groups(&queue->rules) || (hash == 0 && !queue->rules.fair))
		return NULL;
	slot = wf_groups_insert(queue->groups, hash, &found);
	if (!found)
	{
		WfGroup *group = wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY,
											  sizeof(WfGroup));

		plan->ngroups++;
		group->hash = hash;
		group->queue = queue;
		group->weight = weight_of(&queue->rules, hash);
		wf_window_init(group);
		for (int i = 0; i < WF_SIDES; i++)
		{
			WfStand *stand = &group->stands[i];

			stand->group = group;
			stand->side = i;
			stand->credit = group->weight;
			wf_line_init(&stand->line, wf_group_is_strict(group));
		}
		if (hash != 0)
			wf_limiter_set(plan, &group->limiter,
						   queue->rules.group_rate_limit,
						   queue->rules.rate_period);
		slot->group = group;
	}
	return slot->group;
}

/* ---- where a group stands ---- */

bool
wf_group_is_strict(const WfGroup *group)
{
	return group->hash != 0 && group->queue->rules.group_max_active == 1;
}

bool
wf_group_is_behind(const WfPlan *plan, const WfStand *stand)
{
	const WfGroup *group = stand->group;
	const WfEntry *first;

	if (!wf_group_is_strict(group) || wf_plan_is_broken(plan, WF_BREAK_KNOWN))
		return false;
	first = wf_group_first(stand);
	if (first == NULL)
		return false;
	if (first->group_place > group->queue->ranges_to)
		return true;
	return group->window.on ? wf_window_is_behind(plan, group, first)
							: first->group_place > group->queue->known_to;
}

static bool
is_full(WfPlan *plan, const WfGroup *group)
{
	int32 most = group->queue->rules.group_max_active;

	return (group->nblocking > 0 &&
			!wf_plan_is_broken(plan, WF_BREAK_BLOCK)) ||
		   (group->hash != 0 && most > 0 && group->active >= most &&
			!wf_plan_is_broken(plan, WF_BREAK_LIMITS));
}

WfEntry *
wf_group_first(const WfStand *stand)
{
	const WfGroup *group = stand->group;
	WfEntry *first;

	if (!wf_group_is_strict(group))
		return wf_line_first(&stand->line);
	first = wf_line_first(&group->stands[0].line);
	if (first != NULL && first->message != (stand->side == WF_SIDE_MESSAGES))
		return NULL;
	return first;
}

void
wf_group_step_out(WfStand *stand)
{
	WfSide *side = &stand->group->queue->sides[stand->side];

	switch (stand->standing)
	{
		case WF_GROUP_OUT:
			break;
		case WF_GROUP_TURN:
			dlist_delete(&stand->turn);
			side->nstanding--;
			break;
		case WF_GROUP_HEAD:
			wf_heap_remove(&side->heads, &stand->node);
			side->nstanding--;
			break;
		case WF_GROUP_RATE:
			wf_heap_remove(&side->rate_waits, &stand->node);
			break;
		case WF_GROUP_BEHIND:
			wf_heap_remove(&side->behind, &stand->node);
			break;
	}
	stand->standing = WF_GROUP_OUT;
}

/* Before its lines change: a heap is in order by what is first in it. */
void
wf_group_loosen(WfGroup *group)
{
	for (int i = 0; i < WF_SIDES; i++)
	{
		if (group->stands[i].standing == WF_GROUP_HEAD ||
			group->stands[i].standing == WF_GROUP_BEHIND)
			wf_group_step_out(&group->stands[i]);
	}
}

static void
settle_stand(WfPlan *plan, WfStand *stand)
{
	WfGroup *group = stand->group;
	WfSide *side = &group->queue->sides[stand->side];

	if (wf_group_first(stand) == NULL || is_full(plan, group))
	{
		wf_group_step_out(stand);
		return;
	}
	if (stand->standing == WF_GROUP_RATE ||
		stand->standing == WF_GROUP_BEHIND || wf_group_is_behind(plan, stand))
		wf_group_step_out(stand);
	if (wf_group_is_behind(plan, stand))
	{
		if (wf_window_probe(plan, group))
		{
			/* its bound is its own: it is looked at again */
			wf_window_note(plan, group);
			return;
		}
		wf_heap_add(&side->behind, &stand->node);
		stand->standing = WF_GROUP_BEHIND;
		return;
	}
	stand->rate_free_at = wf_limiter_free_at(plan, &group->limiter);
	if (stand->rate_free_at > plan->now)
	{
		wf_group_step_out(stand);
		wf_heap_add(&side->rate_waits, &stand->node);
		stand->standing = WF_GROUP_RATE;
		return;
	}
	if (stand->standing != WF_GROUP_OUT)
		return;
	if (group->queue->rules.fair)
	{
		dlist_push_tail(&side->turns, &stand->turn);
		stand->standing = WF_GROUP_TURN;
	}
	else
	{
		wf_heap_add(&side->heads, &stand->node);
		stand->standing = WF_GROUP_HEAD;
	}
	side->nstanding++;
}

/* To where it belongs; one that keeps its turn stays in its place. */
void
wf_group_settle(WfPlan *plan, WfGroup *group)
{
	for (int i = 0; i < WF_SIDES; i++)
		settle_stand(plan, &group->stands[i]);
	wf_window_check(plan, group);
}

/* Does nothing point here, and count any more? */
static bool
is_unused(WfPlan *plan, const WfGroup *group)
{
	return group->members == 0 && !wf_limiter_in_use(plan, &group->limiter) &&
		   !wf_window_is_needed(plan, group);
}

void
wf_group_release(WfPlan *plan, WfGroup *group)
{
	if (is_unused(plan, group))
		wf_group_forget(plan, group);
	else
		wf_group_settle(plan, group);
}

/* Nothing points here, and no start of it counts any more. */
void
wf_group_forget(WfPlan *plan, WfGroup *group)
{
	for (int i = 0; i < WF_SIDES; i++)
	{
		wf_group_step_out(&group->stands[i]);
		wf_door_step_out(&group->stands[i]);
	}
	wf_window_forget(plan, group);
	(void) wf_groups_delete(group->queue->groups, group->hash);
	wf_limiter_set(plan, &group->limiter, 0, 0);
	wf_memory_give_back(&plan->memory, group);
	plan->ngroups--;
}

/* ---- rules ---- */

bool
wf_group_keeps_order(WfPlan *plan, int32 queue_id, uint64 group)
{
	WfQueue *queue = group == 0 ? NULL : wf_group_queue(plan, queue_id, false);

	return queue != NULL && queue->rules.group_max_active == 1;
}

/*
 * Forgets groups that are there for their starts alone, which count no more;
 * or all that nothing points to.
 */
void
wf_group_sweep(WfPlan *plan, WfQueue *queue, bool all)
{
	wf_groups_iterator it;
	GroupSlot *slot;

	wf_groups_start_iterate(queue->groups, &it);
	while ((slot = wf_groups_iterate(queue->groups, &it)) != NULL)
	{
		WfGroup *group = slot->group;

		if (all ? group->members == 0 : is_unused(plan, group))
			wf_group_forget(plan, group);
	}
}

void
wf_group_forget_queue(WfPlan *plan, WfQueue *queue)
{
	int32 queue_id = queue->rules.queue_id;

	if (queue_id == WF_DEFAULT_QUEUE || queue->nmembers > 0)
		return;
	wf_request_act(plan, WF_ACTION_FORGET, queue_id, 0, 0);
	(void) wf_queues_delete(plan->by_id, queue_id);
	dlist_delete(&queue->node);
	wf_memory_give_back(&plan->memory, queue->rules.weights);
	wf_group_sweep(plan, queue, true);
	wf_door_forget_all(plan, queue);
	wf_limiter_set(plan, &queue->limiter, 0, 0);
	wf_groups_give_back(queue->groups);
	wf_memory_give_back(&plan->memory, queue);
}

/* All its entries have been detached. */
void
wf_group_set_rules(WfPlan *plan, WfQueue *queue, const WfQueueRules *rules)
{
	wf_groups_iterator it;
	GroupSlot *slot;
	Size size = Max(rules->nweights, 1) * sizeof(WfGroupWeight);

	wf_memory_give_back(&plan->memory, queue->rules.weights);
	queue->rules = *rules;
	queue->rules.weights = wf_memory_get(&plan->memory, WF_MEMORY_ANY, size);
	if (rules->nweights > 0)
		memcpy(queue->rules.weights, rules->weights,
			   rules->nweights * sizeof(WfGroupWeight));
	wf_limiter_set(plan, &queue->limiter, rules->rate_limit,
				   rules->rate_period);

	/* groups that are left are those with starts that count, or rows left */
	wf_groups_start_iterate(queue->groups, &it);
	while ((slot = wf_groups_iterate(queue->groups, &it)) != NULL)
	{
		WfGroup *group = slot->group;

		if (!wf_window_covers(rules))
			wf_window_give_up(plan, group);
		wf_limiter_set(plan, &group->limiter, rules->group_rate_limit,
					   rules->rate_period);
		group->weight = weight_of(rules, group->hash);
		for (int i = 0; i < WF_SIDES; i++)
		{
			wf_group_step_out(&group->stands[i]);
			wf_line_init(&group->stands[i].line, wf_group_is_strict(group));
			group->stands[i].credit = group->weight;
		}
	}
}

void
wf_group_init(WfPlan *plan)
{
	plan->by_id = wf_queues_create(16, &plan->memory);
	plan->plain = NULL;
	plan->timers_to = DT_NOEND;
	dlist_init(&plan->queues);
	dlist_init(&plan->windows);
}

/* ---- reservations ---- */

void
wf_plan_reserved(WfPlan *plan, TimestampTz now, int32 queue_id, uint64 hash,
				 int32 starts, TimestampTz reserved_at)
{
	WfQueue *queue = wf_group_queue(plan, queue_id, false);
	WfGroup *group = NULL;
	WfLimiter *limiter;

	plan->now = now;
	plan->more = true;
	if (queue == NULL)
		return;
	if (queue->nwishes > 0)
		queue->nwishes--;
	if (hash != 0)
		group = wf_group_find(queue, hash);
	if (hash != 0 && group == NULL)
		return;
	limiter = group != NULL ? &group->limiter : &queue->limiter;
	limiter->wished = false;
	wf_limiter_reserved(limiter, starts, reserved_at);
	if (group != NULL)
		wf_group_settle(plan, group);
}
