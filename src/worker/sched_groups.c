/*
 * sched_groups.c
 *		Queues and groups by key, and where a group stands.
 *
 * Groups that could start something stand in `turns` (fair: one after the
 * other) or in `heads`, a heap by their first entries; those that wait for
 * their rate limit in another heap, by time; and all others are out of the
 * way, however many they are.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "store/definition.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

WfGates wf_gates;

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
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

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
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* the group whose first entry starts first is the greatest */
static int
head_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const WfStand *x = pairingheap_const_container(WfStand, node, a);
	const WfStand *y = pairingheap_const_container(WfStand, node, b);

	return wf_starts_before(wf_stand_first(x), wf_stand_first(y)) ? 1 : -1;
}

static int
rate_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const WfStand *x = pairingheap_const_container(WfStand, node, a);
	const WfStand *y = pairingheap_const_container(WfStand, node, b);

	if (x->rate_free_at == y->rate_free_at)
		return 0;
	return x->rate_free_at < y->rate_free_at ? 1 : -1;
}

static WfQueue *
make_queue(int32 queue_id)
{
	WfQueue *queue = MemoryContextAllocZero(wf_gates.cxt, sizeof(WfQueue));

	queue->rules.queue_id = queue_id;
	dlist_init(&queue->hand);
	queue->groups = wf_groups_create(wf_gates.cxt, 16, NULL);
	for (int i = 0; i < WF_SIDES; i++)
	{
		WfSide *side = &queue->sides[i];

		wf_line_init(&side->resumed);
		wf_line_init(&side->held);
		wf_line_init(&side->plain);
		dlist_init(&side->turns);
		wf_heap_init(&side->heads, head_compare);
		wf_heap_init(&side->rate_waits, rate_compare);
	}
	dlist_push_tail(&wf_gates.queues, &queue->node);
	return queue;
}

WfQueue *
wf_gate_queue(int32 queue_id, bool make)
{
	QueueSlot *slot;
	bool found;

	if (queue_id == WF_DEFAULT_QUEUE)
	{
		if (wf_gates.plain == NULL && make)
		{
			wf_gates.plain = make_queue(queue_id);
			wf_gates.plain->spill = wf_gates.spill;
		}
		return wf_gates.plain;
	}
	if (!make)
	{
		slot = wf_queues_lookup(wf_gates.by_id, queue_id);
		return slot != NULL ? slot->queue : NULL;
	}
	slot = wf_queues_insert(wf_gates.by_id, queue_id, &found);
	if (!found)
		slot->queue = make_queue(queue_id);
	return slot->queue;
}

/* Do groups matter at all in this queue? */
static bool
has_groups(const WfQueueRules *rules)
{
	return rules->fair || rules->blocks || rules->group_max_active > 0 ||
		   rules->group_rate_limit > 0;
}

static int32
weight_of(const WfQueueRules *rules, uint64 hash)
{
	int low = 0;
	int high = rules->nweights - 1;

	while (low <= high)
	{
		int i = (low + high) / 2;

		if (rules->weights[i].group == hash)
			return rules->weights[i].weight;
		if (rules->weights[i].group < hash)
			low = i + 1;
		else
			high = i - 1;
	}
	return 1;
}

/* Hash 0 is what has no group: in a fair queue it takes turns like one. */
WfGroup *
wf_gate_group(WfQueue *queue, uint64 hash)
{
	GroupSlot *slot;
	bool found;

	if (!has_groups(&queue->rules) || (hash == 0 && !queue->rules.fair))
		return NULL;
	slot = wf_groups_insert(queue->groups, hash, &found);
	if (!found)
	{
		WfGroup *group = MemoryContextAllocZero(wf_gates.cxt, sizeof(WfGroup));

		wf_gates.ngroups++;
		group->hash = hash;
		group->queue = queue;
		group->weight = weight_of(&queue->rules, hash);
		for (int i = 0; i < WF_SIDES; i++)
		{
			WfStand *stand = &group->stands[i];

			stand->group = group;
			stand->side = i;
			stand->credit = group->weight;
			wf_line_init(&stand->line);
		}
		if (hash != 0)
			wf_limiter_set(&group->limiter, queue->rules.group_rate_limit,
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

static bool
is_full(const WfGroup *group)
{
	int32 most = group->queue->rules.group_max_active;

	return group->nblocking > 0 ||
		   (group->hash != 0 && most > 0 && group->active >= most);
}

WfEntry *
wf_stand_first(const WfStand *stand)
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
			pairingheap_remove(&side->heads, &stand->node);
			side->nstanding--;
			break;
		case WF_GROUP_RATE:
			pairingheap_remove(&side->rate_waits, &stand->node);
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
		if (group->stands[i].standing == WF_GROUP_HEAD)
			wf_group_step_out(&group->stands[i]);
	}
}

static void
settle_stand(WfStand *stand)
{
	WfGroup *group = stand->group;
	WfSide *side = &group->queue->sides[stand->side];

	if (wf_stand_first(stand) == NULL || is_full(group))
	{
		wf_group_step_out(stand);
		return;
	}
	if (stand->standing == WF_GROUP_RATE)
		wf_group_step_out(stand);
	stand->rate_free_at = wf_limiter_free_at(&group->limiter);
	if (stand->rate_free_at > wf_sched.now)
	{
		wf_group_step_out(stand);
		pairingheap_add(&side->rate_waits, &stand->node);
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
		pairingheap_add(&side->heads, &stand->node);
		stand->standing = WF_GROUP_HEAD;
	}
	side->nstanding++;
}

/* To where it belongs; one that keeps its turn stays in its place. */
void
wf_group_settle(WfGroup *group)
{
	for (int i = 0; i < WF_SIDES; i++)
		settle_stand(&group->stands[i]);
}

/* Nothing points here, and no start of it counts any more. */
void
wf_group_forget(WfGroup *group)
{
	for (int i = 0; i < WF_SIDES; i++)
		wf_group_step_out(&group->stands[i]);
	(void) wf_groups_delete(group->queue->groups, group->hash);
	wf_limiter_set(&group->limiter, 0, 0);
	pfree(group);
	wf_gates.ngroups--;
}

/* ---- rules ---- */

bool
wf_gate_is_strict(int32 queue_id, uint64 group)
{
	WfQueue *queue = group == 0 ? NULL : wf_gate_queue(queue_id, false);

	return queue != NULL && queue->rules.group_max_active == 1;
}

/*
 * Forgets groups that are there for their starts alone, which count no more;
 * or all that nothing points to.
 */
void
wf_groups_sweep(WfQueue *queue, bool all)
{
	wf_groups_iterator it;
	GroupSlot *slot;

	wf_groups_start_iterate(queue->groups, &it);
	while ((slot = wf_groups_iterate(queue->groups, &it)) != NULL)
	{
		WfGroup *group = slot->group;

		if (group->members == 0 &&
			(all || !wf_limiter_in_use(&group->limiter)))
			wf_group_forget(group);
	}
}

void
wf_gate_forget_queue(WfQueue *queue)
{
	int32 queue_id = queue->rules.queue_id;

	if (queue_id == WF_DEFAULT_QUEUE || queue->nmembers > 0)
		return;
	wf_queue_stats_forget(MyDatabaseId, queue_id);
	(void) wf_queues_delete(wf_gates.by_id, queue_id);
	dlist_delete(&queue->node);
	if (queue->rules.weights != NULL)
		pfree(queue->rules.weights);
	wf_groups_sweep(queue, true);
	wf_limiter_set(&queue->limiter, 0, 0);
	wf_groups_destroy(queue->groups);
	pfree(queue);
}

/* All its entries have been detached. */
void
wf_gate_set_rules(WfQueue *queue, const WfQueueRules *rules)
{
	wf_groups_iterator it;
	GroupSlot *slot;
	Size size = mul_size(Max(rules->nweights, 1), sizeof(WfGroupWeight));

	if (queue->rules.weights != NULL)
		pfree(queue->rules.weights);
	queue->rules = *rules;
	queue->rules.weights = MemoryContextAlloc(wf_gates.cxt, size);
	if (rules->nweights > 0)
		memcpy(queue->rules.weights, rules->weights,
			   rules->nweights * sizeof(WfGroupWeight));
	wf_limiter_set(&queue->limiter, rules->rate_limit, rules->rate_period);

	/* groups that are left are those with starts in their windows */
	wf_groups_start_iterate(queue->groups, &it);
	while ((slot = wf_groups_iterate(queue->groups, &it)) != NULL)
	{
		WfGroup *group = slot->group;

		wf_limiter_set(&group->limiter, rules->group_rate_limit,
					   rules->rate_period);
		group->weight = weight_of(rules, group->hash);
		for (int i = 0; i < WF_SIDES; i++)
		{
			wf_group_step_out(&group->stands[i]);
			group->stands[i].credit = group->weight;
		}
	}
}

void
wf_gates_init(MemoryContext parent)
{
	wf_gates.cxt = AllocSetContextCreate(parent, "workflow gates",
										 ALLOCSET_DEFAULT_SIZES);
	wf_gates.by_id = wf_queues_create(wf_gates.cxt, 16, NULL);
	wf_gates.plain = NULL;
	wf_gates.timers_to = DT_NOEND;
	dlist_init(&wf_gates.queues);
}
