/* What URIs meant the last time that their files were opened: for when a server is down. */
#ifndef MR_STORE_LAST_KNOWN_INT_H
#define MR_STORE_LAST_KNOWN_INT_H

#include "store/store.h"

/* Remember a location whose files are in the cache under a key; that it cannot be is no fault. */
void mr_last_known_keep(const struct mr_location *location, const struct mr_store_options *options,
                        struct mr_arena *arena, const char *key);

/* Find what a URI meant for the same stores. false: not known, or its files are gone.
 * out  untouched then */
bool mr_last_known_find(const char *uri, const struct mr_store_options *options,
                        struct mr_arena *arena, struct mr_location *out);

#endif
