/*
 * memory.h
 *		Memory for what lives longer than a call, from whoever calls.
 *
 * In the server it comes from memory contexts, and all of it goes when these
 * are deleted; in tests from malloc().
 */
#ifndef WF_CORE_MEMORY_H
#define WF_CORE_MEMORY_H

/* so that small things of one size can come from slabs */
typedef enum WfMemoryKind
{
	WF_MEMORY_ANY,
	WF_MEMORY_ENTRY,
	WF_MEMORY_DEADLINE
} WfMemoryKind;

/* "get" never returns NULL, but raises an error */
typedef struct WfMemory
{
	void *(*get)(void *arg, WfMemoryKind kind, Size size);
	void (*give_back)(void *arg, void *block);
	void *arg;
} WfMemory;

static inline void *
wf_memory_get(const WfMemory *memory, WfMemoryKind kind, Size size)
{
	return memory->get(memory->arg, kind, size);
}

static inline void *
wf_memory_get_zeroed(const WfMemory *memory, WfMemoryKind kind, Size size)
{
	return memset(memory->get(memory->arg, kind, size), 0, size);
}

/* NULL is allowed */
static inline void
wf_memory_give_back(const WfMemory *memory, void *block)
{
	if (block != NULL)
		memory->give_back(memory->arg, block);
}

/* A larger block with the same contents; "block" may be NULL. */
static inline void *
wf_memory_grow(const WfMemory *memory, void *block, Size used, Size size)
{
	void *larger = memory->get(memory->arg, WF_MEMORY_ANY, size);

	if (used > 0)
		memcpy(larger, block, used);
	wf_memory_give_back(memory, block);
	return larger;
}

#endif /* WF_CORE_MEMORY_H */
