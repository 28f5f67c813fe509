/* What is noted of a request for a model: who is asked, and where the time went. In the request's
 * arena, as its notes; of one thread at a time, that which has the request. */
#ifndef MR_API_TRACE_H
#define MR_API_TRACE_H

#include "api/metrics.h"
#include "api/served.h"
#include "codec/decode.h"
#include "http/http.h"
#include "schema/table.h"

struct mr_shadow;
struct mr_shadow_copy;

struct mr_trace {
    uint64_t stage_ns[MR_N_STAGES]; /* 0: it did not get there */
    uint64_t at_ns;                 /* until then time is accounted for */
    int64_t n_rows;                 /* that the model is asked for; 0: none so far */
    bool is_shown;                  /* in a Server-Timing header */
    const struct mr_served *served; /* the model that is asked, */
    struct mr_version *version;     /* and the version of it, which the request has */
    struct mr_shadow *shadow;       /* is to be asked the same; NULL: none is */
    struct mr_shadow_copy *copy;    /* for it; NULL: none was made */
    uint64_t deadline_ns;           /* of mr_clock_ns(), see deadline.h; 0: none; so is the next */
    uint64_t client_deadline_ns;    /* the client's own */
    struct mr_str context;          /* of mr_traceparent_read: the client's trace; size 0: none */
    mr_stage late_stage;            /* where that passed; MR_STAGE_READ: it was in time */
};

static inline struct mr_trace *mr_trace_of(const struct mr_http_request *request) {
    return request->notes;
}

/* Begin with a request that has come whole.
 * returns  what becomes its notes, with nobody asked yet; NULL: no memory */
struct mr_trace *mr_trace_begin(struct mr_http_request *request, bool is_shown);

/* The body is about to be decoded, maybe in place: copy it for the shadow, if there is one. */
void mr_trace_copy(const struct mr_http_request *request, mr_format format);

/* So the model is asked. What cannot be told apart counts as one row. */
void mr_trace_rows(const struct mr_http_request *request, const struct mr_input *input);

/* The time since the last lap went to that stage. */
void mr_trace_lap(const struct mr_http_request *request, mr_stage stage);

/* The same up to a moment of mr_clock_ns() that is past already; 0 changes nothing. */
void mr_trace_lap_at(const struct mr_http_request *request, mr_stage stage, uint64_t now_ns);

/* The response is filled in: the last lap, of MR_STAGE_ENCODE, and headers: durations in
 * milliseconds (https://www.w3.org/TR/server-timing); the version that answers, X-Model-Version,
 * if it is known; the model's name, X-Model-Name, if it was given one. The shadow will compare its
 * answer with this one. */
void mr_trace_end(const struct mr_http_request *request, struct mr_http_response *response);

#endif
