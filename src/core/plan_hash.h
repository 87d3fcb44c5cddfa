/*
 * plan_hash.h
 *		Hash tables (lib/simplehash.h) in the plan's memory.
 *
 * A table defines SH_RAW_ALLOCATOR as WF_HASH_RAW and
 * SH_USE_NONDEFAULT_ALLOCATOR, and says WF_HASH_MEMORY(SH_PREFIX) after the
 * inclusion.  PREFIX_create(elements, &plan->memory) makes one then, and
 * PREFIX_give_back(table) frees it.
 */
#ifndef WF_CORE_PLAN_HASH_H
#define WF_CORE_PLAN_HASH_H

#include "core/memory.h"

/* zeroed; used inside of PREFIX_create(), which calls its parameter so */
#define WF_HASH_RAW(size) \
	wf_memory_get_zeroed((const WfMemory *) private_data, WF_MEMORY_ANY, size)

#define WF_HASH_MEMORY(prefix)                                           \
	static inline void *prefix##_allocate(prefix##_hash *tb, Size size)  \
	{                                                                    \
		return wf_memory_get_zeroed((const WfMemory *) tb->private_data, \
									WF_MEMORY_ANY, size);                \
	}                                                                    \
	static inline void prefix##_free(prefix##_hash *tb, void *block)     \
	{                                                                    \
		wf_memory_give_back((const WfMemory *) tb->private_data, block); \
	}                                                                    \
	static inline void prefix##_give_back(prefix##_hash *tb)             \
	{                                                                    \
		prefix##_free(tb, tb->data);                                     \
		wf_memory_give_back((const WfMemory *) tb->private_data, tb);    \
	}

#endif /* WF_CORE_PLAN_HASH_H */
