/* What operators see of each request when it is over: metrics and the access log.
 *
 * A line of the access log has the request's id, method, path, status, rows, bytes of the bodies
 * and the times of its stages, never a part of a payload. GETs that
 * are answered 200 or 503, mostly health checks and scrapes, are counted but not logged. */
#ifndef MR_API_OBSERVE_H
#define MR_API_OBSERVE_H

#include "api/metrics.h"
#include "base/log.h"
#include "base/log_lines.h"
#include "http/http.h"

struct mr_observer {
    struct mr_metrics *metrics;
    struct mr_log_lines *access_log; /* NULL: none */
    mr_log_format format;            /* of its lines */
    const struct mr_http_route *routes;
    unsigned char *numbers; /* of the routes, among names; on the heap */
    const char *names[MR_METRICS_MAX_ROUTES];
};

struct mr_observer_options {
    const struct mr_http_route *routes;
    const char *const *route_names; /* in metrics; routes of one name are counted together */
    size_t n_routes;
    const char *const *models; /* names; n_models 0: there is only one, which needs none */
    size_t n_models;
    bool has_access_log;
};

/* Begin to count and, if there is to be an access log, to write it to standard error.
 * options  what they point to must outlive the observer
 * returns  MR_OK; MR_E_NO_MEMORY, MR_E_IO */
MR_MUST_CHECK mr_status mr_observer_init(struct mr_observer *observer,
                                         const struct mr_observer_options *options,
                                         struct mr_error *err);

/* When no request is under way any more. */
void mr_observer_deinit(struct mr_observer *observer);

/* Take note of an exchange.  threads: any */
void mr_observe(const struct mr_observer *observer, const struct mr_http_exchange *exchange);

#endif
