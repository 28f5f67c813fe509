/* libcurl, opened when a URI first needs the network: a model in a folder does not pay for it, and
 * the program runs where there is none. */
#ifndef MR_STORE_CURL_INT_H
#define MR_STORE_CURL_INT_H

#include <curl/curl.h>

#include "base/status.h"

/* The functions that we call, by the names they have without `curl_`. */
#define MR_CURL_FUNCTIONS(X)                                                                       \
    X(version_info)                                                                                \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_perform)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_strerror)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_set)                                                                                     \
    X(url_get)                                                                                     \
    X(free)

struct mr_curl {
#define MR_CURL_MEMBER(name) __typeof__(&curl_##name) name;
    MR_CURL_FUNCTIONS(MR_CURL_MEMBER)
#undef MR_CURL_MEMBER
};

/* Open the library, once in the life of the process; it stays open.
 * returns  MR_OK; MR_E_UNSUPPORTED with what to install, MR_E_NO_MEMORY
 * threads  any */
MR_MUST_CHECK mr_status mr_curl_open(const struct mr_curl **out, struct mr_error *err);

#endif
