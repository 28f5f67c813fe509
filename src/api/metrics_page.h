/* GET /metrics: what the requests' counters tell, and what is known of process, model and workers
 * at the moment of the scrape. */
#ifndef MR_API_METRICS_PAGE_H
#define MR_API_METRICS_PAGE_H

#include "api/endpoints.h"

/* Append the whole page.  threads: any */
void mr_metrics_page(const struct mr_endpoints *endpoints, struct mr_buf *out);

#endif
