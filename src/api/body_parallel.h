/*
 * body_parallel.h
 *		What the words for many things at a time have in common.
 */
#ifndef WF_API_BODY_PARALLEL_H
#define WF_API_BODY_PARALLEL_H

#include "fmgr.h"
#include "utils/jsonb.h"

/* The items of a map: a JSON array, else 22023. */
extern Jsonb *wf_arg_items(FunctionCallInfo fcinfo, int arg);

/* max_parallel: 1 or more, else 22023; 0 where it is NULL. */
extern int wf_arg_max_parallel(FunctionCallInfo fcinfo, int arg);

/* on_error, 'raise' or 'collect', else 22023: is it the latter? */
extern bool wf_arg_collects(FunctionCallInfo fcinfo, int arg);

#endif /* WF_API_BODY_PARALLEL_H */
