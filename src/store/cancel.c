#include <signal.h>

#include "store/cancel_int.h"

bool mr_store_is_cancelled(void *options) {
    const struct mr_store_options *given = options;
    sigset_t waiting;
    bool is_interrupted = sigpending(&waiting) == 0 &&
                          (sigismember(&waiting, SIGINT) || sigismember(&waiting, SIGTERM));
    return is_interrupted || (given->is_cancelled && given->is_cancelled(given->ctx));
}
