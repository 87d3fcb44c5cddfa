/*
 * segments.h
 *		Every shared memory segment of the library: space, locks and start.
 */
#ifndef WF_IPC_SEGMENTS_H
#define WF_IPC_SEGMENTS_H

/* shmem_request_hook */
extern void wf_segments_request(void);

/* shmem_startup_hook */
extern void wf_segments_startup(void);

#endif /* WF_IPC_SEGMENTS_H */
