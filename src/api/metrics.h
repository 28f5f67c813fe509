/* What /metrics tells, counted by all threads: each adds to a shard of its own, a scrape sums them
 * up.
 *
 * Durations are histograms. Names and units follow Prometheus'
 * conventions; docs/metrics.md lists them. */
#ifndef MR_API_METRICS_H
#define MR_API_METRICS_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

/* The ways of a request, in the order of its time. */
typedef enum mr_stage {
    MR_STAGE_READ,    /* from the first byte received to the last */
    MR_STAGE_DECODE,  /* of /invocations: body to table or tensor, and enforcing the signature */
    MR_STAGE_QUEUE,   /* waiting for a worker or a compute thread */
    MR_STAGE_PREDICT, /* the model, with the way to a worker and back */
    MR_STAGE_ENCODE,  /* the answer to text */
    MR_STAGE_WRITE,   /* until the last byte is handed to the kernel */
    MR_N_STAGES
} mr_stage;

extern const char *const mr_stage_names[MR_N_STAGES]; /* "read", ... */

#define MR_METRICS_MAX_ROUTES 16

struct mr_metrics;

/* A request that is over. */
struct mr_metrics_request {
    size_t route; /* index into the routes; n_routes: none of them */
    size_t model; /* index into the models that was asked; n_models: none */
    int status;   /* 0: the client left before there was one; counted as 499, as nginx does */
    size_t n_received, n_sent; /* bytes of the bodies */
    int64_t n_rows;            /* of what was asked; 0: none, or it got not that far */
    uint64_t total_ns;
    uint64_t stage_ns[MR_N_STAGES]; /* 0: the request did not get there; not counted */
};

/* What is counted for each of; must outlive the metrics.
 * routes   paths, n_routes <= MR_METRICS_MAX_ROUTES
 * models   names; n_models 0: there is only one, for which nothing is counted separately
 * returns  NULL: no memory */
struct mr_metrics *mr_metrics_new(const char *const *routes, size_t n_routes,
                                  const char *const *models, size_t n_models);
void mr_metrics_free(struct mr_metrics *metrics); /* NULL is allowed */

/* Count one.  threads: any */
void mr_metrics_add(struct mr_metrics *metrics, const struct mr_metrics_request *request);

/* A request for the model is under way, or is over (-1).  threads: any */
void mr_metrics_in_flight(struct mr_metrics *metrics, int change);

/* Append everything as Prometheus text, format 0.0.4.  threads: any */
void mr_metrics_write(const struct mr_metrics *metrics, struct mr_buf *out);

/* For metrics that are not counted here: HELP and TYPE lines, and a sample.
 * labels  as text between braces, `a="b"`; NULL: none. Values of labels must be escaped */
void mr_metrics_head(struct mr_buf *out, const char *name, const char *type, const char *help);
void mr_metrics_sample(struct mr_buf *out, const char *name, const char *labels, double value);

/* A text as the value of a label: backslashes, quotes and ends of lines escaped. */
void mr_metrics_label(struct mr_buf *out, struct mr_str text);

#endif
