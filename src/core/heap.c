/*
 * heap.c
 *		A pairing heap.
 *
 * The children of a node are a list, in which each points to the one before
 * it, and the first to its parent.
 */
#include "postgres.h"

#include "core/heap.h"

void
wf_heap_init(WfHeap *heap, WfHeapBefore before)
{
	heap->before = before;
	heap->root = NULL;
}

/* Of two trees one; either may be NULL. */
static WfHeapNode *
meld(const WfHeap *heap, WfHeapNode *a, WfHeapNode *b)
{
	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (heap->before(b, a))
	{
		WfHeapNode *first = b;

		b = a;
		a = first;
	}
	if (a->first_child != NULL)
		a->first_child->prev_or_parent = b;
	b->prev_or_parent = a;
	b->next_sibling = a->first_child;
	a->first_child = b;
	return a;
}

void
wf_heap_add(WfHeap *heap, WfHeapNode *node)
{
	node->first_child = NULL;
	heap->root = meld(heap, heap->root, node);
	heap->root->prev_or_parent = NULL;
	heap->root->next_sibling = NULL;
}

/* Of siblings one tree: first by pairs, then these from the last to the first. */
static WfHeapNode *
meld_siblings(const WfHeap *heap, WfHeapNode *next)
{
	WfHeapNode *pairs = NULL;
	WfHeapNode *tree = NULL;

	while (next != NULL)
	{
		WfHeapNode *a = next;
		WfHeapNode *b = a->next_sibling;
		WfHeapNode *pair;

		next = b != NULL ? b->next_sibling : NULL;
		pair = meld(heap, a, b);
		pair->next_sibling = pairs;
		pairs = pair;
	}
	while (pairs != NULL)
	{
		WfHeapNode *pair = pairs;

		pairs = pair->next_sibling;
		tree = meld(heap, tree, pair);
	}
	return tree;
}

void
wf_heap_remove(WfHeap *heap, WfHeapNode *node)
{
	WfHeapNode *children = meld_siblings(heap, node->first_child);

	if (node == heap->root)
		heap->root = children;
	else
	{
		WfHeapNode *before = node->prev_or_parent;

		if (before->first_child == node)
			before->first_child = node->next_sibling;
		else
			before->next_sibling = node->next_sibling;
		if (node->next_sibling != NULL)
			node->next_sibling->prev_or_parent = before;
		heap->root = meld(heap, heap->root, children);
	}
	if (heap->root != NULL)
	{
		heap->root->prev_or_parent = NULL;
		heap->root->next_sibling = NULL;
	}
}
