/* Which of several models answers at /invocations: each has a share of the requests.
 *
 * The request's id decides, by a hash: one that the client has sent leads to the same model each
 * time, also in another server with the same shares; one that was made here is as good as chance.
 */
#ifndef MR_API_SPLIT_H
#define MR_API_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct mr_split_share {
    size_t model;    /* its number */
    uint64_t weight; /* of the sum of all, below 2^32 */
};

struct mr_split {
    const struct mr_split_share *shares; /* borrowed */
    size_t n;                            /* 0: the first model has all requests */
};

/* The number of the model for a request.
 * split  has a share with a weight above 0, or none at all */
size_t mr_split_choose(const struct mr_split *split, struct mr_str request_id);

#endif
