/* A model that is asked what another one was asked, to see whether it would have answered the same.
 *
 * A request to /invocations is copied as it came, beside the answer that its client gets. When that
 * is on its way, the shadow model is asked: on a thread of low priority, or by its own workers. The
 * answers are compared and counted; that they differ is logged, never what they say. Copies are
 * bounded in number and size, each and together; what is over that is dropped and counted. What the
 * shadow does or does not do is nothing that clients of the other model could notice. */
#ifndef MR_API_SHADOW_H
#define MR_API_SHADOW_H

#include "api/served.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "http/http.h"

struct mr_shadow;
struct mr_shadow_copy;

typedef enum mr_shadow_result {
    MR_SHADOW_SAME,      /* the same bytes; or an error with the same status */
    MR_SHADOW_DIFFERENT, /* others */
    MR_SHADOW_ERROR,     /* an error where the other model had none */
    MR_SHADOW_DROPPED,   /* not asked, or not compared: too much waited, the body or the answer was
                            large, the answer was a stream or an error of the server, or the client
                            left before it */
    MR_N_SHADOW_RESULTS
} mr_shadow_result;

extern const char *const mr_shadow_result_names[MR_N_SHADOW_RESULTS];

/* served, encode  borrowed; answers of the other model are encoded in the same way
 * returns         MR_OK, MR_E_NO_MEMORY, MR_E_IO */
MR_MUST_CHECK mr_status mr_shadow_start(const struct mr_served *served,
                                        const struct mr_encode_options *encode,
                                        struct mr_shadow **out, struct mr_error *err);

/* Drop what waits, withdraw what its model has been asked, and end. No request may be under way.
 * NULL is allowed. */
void mr_shadow_stop(struct mr_shadow *take_shadow);

const struct mr_served *mr_shadow_served(const struct mr_shadow *shadow);

/* Copy a request's body, before it is decoded in place. NULL: it is dropped.  threads: any */
struct mr_shadow_copy *mr_shadow_copy(struct mr_shadow *shadow, mr_format format,
                                      const struct mr_http_request *request);

/* The answer that the client gets.  threads: those of the request */
void mr_shadow_answered(struct mr_shadow *shadow, struct mr_shadow_copy *copy,
                        const struct mr_http_response *response);

/* The request is over: have the shadow asked.  threads: any; never waits */
void mr_shadow_send(struct mr_shadow *shadow, struct mr_shadow_copy *take_copy);

/* Requests so far that had that result.  threads: any */
unsigned long mr_shadow_count(const struct mr_shadow *shadow, mr_shadow_result result);

#endif
