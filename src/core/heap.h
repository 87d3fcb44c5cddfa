/*
 * heap.h
 *		A pairing heap whose nodes are part of what is in it.
 *
 * Adding takes constant time, removing logarithmic time on average, whichever
 * element it is.  No function allocates.
 */
#ifndef WF_CORE_HEAP_H
#define WF_CORE_HEAP_H

typedef struct WfHeapNode
{
	struct WfHeapNode *first_child;
	struct WfHeapNode *next_sibling;
	struct WfHeapNode *prev_or_parent;
} WfHeapNode;

/* Does a come before b?  A strict order. */
typedef bool (*WfHeapBefore)(const WfHeapNode *a, const WfHeapNode *b);

typedef struct WfHeap
{
	WfHeapBefore before;
	WfHeapNode *root;
} WfHeap;

extern void wf_heap_init(WfHeap *heap, WfHeapBefore before);
extern void wf_heap_add(WfHeap *heap, WfHeapNode *node);
extern void wf_heap_remove(WfHeap *heap, WfHeapNode *node);

/* NULL when it is empty */
static inline WfHeapNode *
wf_heap_first(const WfHeap *heap)
{
	return heap->root;
}

static inline bool
wf_heap_is_empty(const WfHeap *heap)
{
	return heap->root == NULL;
}

/* the first element, of a heap that is not empty */
#define wf_heap_head(type, member, heap) \
	wf_container_of(type, member, wf_heap_first(heap))

/* what a node is part of */
#define wf_container_of(type, member, node) \
	((type *) ((char *) (node) -offsetof(type, member)))
#define wf_const_container_of(type, member, node) \
	((const type *) ((const char *) (node) -offsetof(type, member)))

#endif /* WF_CORE_HEAP_H */
