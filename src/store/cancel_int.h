/* When to give up what takes long: waiting for a server, for the cache, for a download. */
#ifndef MR_STORE_CANCEL_INT_H
#define MR_STORE_CANCEL_INT_H

#include "store/store.h"

/* Whether the caller says so, or SIGINT or SIGTERM waits to be read: Ctrl-C ends a process where
 * nobody handles it, but a server blocks its signals and reads them only when it serves.
 * options  a struct mr_store_options, which lets this be an is_cancelled of others */
bool mr_store_is_cancelled(void *options);

#endif
