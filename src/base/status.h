/* Status codes and the error detail that travels with them.
 *
 * Every function that can fail returns `mr_status`; MR_OK is 0. Whoever detects a fault writes the
 * message, once, into the caller's `struct mr_error` (which may be NULL when nobody will read it).
 * The table below is the only place that ties a status to an HTTP code and to MLflow's error_code
 * (mlflow/exceptions.py, ERROR_CODE_TO_HTTP_STATUS). */
#ifndef MR_BASE_STATUS_H
#define MR_BASE_STATUS_H

#define MR_MUST_CHECK __attribute__((warn_unused_result))
#define MR_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* X(name, HTTP status, error_code in the JSON body) */
#define MR_STATUS_TABLE(X)                                                                         \
    X(MR_OK, 200, "OK")                                                                            \
    X(MR_E_BAD_REQUEST, 400, "BAD_REQUEST")                   /* it cannot be understood */        \
    X(MR_E_INVALID_PARAMETER, 400, "INVALID_PARAMETER_VALUE") /* it breaks the signature */        \
    X(MR_E_NOT_FOUND, 404, "RESOURCE_DOES_NOT_EXIST")                                              \
    X(MR_E_TIMEOUT, 408, "REQUEST_TIMEOUT")          /* it did not arrive in time */               \
    X(MR_E_CONFLICT, 409, "RESOURCE_CONFLICT")       /* it would do what is not to be done */      \
    X(MR_E_TOO_LARGE, 413, "REQUEST_LIMIT_EXCEEDED") /* the body, or the memory it needs */        \
    X(MR_E_MEDIA_TYPE, 415, "UNSUPPORTED_MEDIA_TYPE")                                              \
    X(MR_E_HEADERS_TOO_LARGE, 431, "REQUEST_LIMIT_EXCEEDED")                                       \
    X(MR_E_INTERNAL, 500, "INTERNAL_ERROR")                                                        \
    X(MR_E_FORMAT, 500, "INTERNAL_ERROR") /* a model file is malformed */                          \
    X(MR_E_IO, 500, "INTERNAL_ERROR")     /* a file or socket operation failed */                  \
    X(MR_E_UNSUPPORTED, 501, "NOT_IMPLEMENTED")                                                    \
    X(MR_E_NO_MEMORY, 503, "RESOURCE_EXHAUSTED")                                                   \
    X(MR_E_UNAVAILABLE, 503, "TEMPORARILY_UNAVAILABLE") /* no worker, or it died on this one */    \
    X(MR_E_BUSY, 503, "TEMPORARILY_UNAVAILABLE")        /* too many wait already */                \
    X(MR_E_DEADLINE, 504, "DEADLINE_EXCEEDED")          /* no answer within --timeout */           \
    X(MR_E_HTTP_VERSION, 505, "NOT_IMPLEMENTED")

typedef enum mr_status {
#define MR_STATUS_ENUM(name, http, code) name,
    MR_STATUS_TABLE(MR_STATUS_ENUM)
#undef MR_STATUS_ENUM
} mr_status;

/* Detail of a failure. Caller-owned, no cleanup. Zero-initialise before first use. */
struct mr_error {
    mr_status status;
    char
        message[768]; /* one sentence, NUL-terminated; UTF-8, or WTF-8 with a client's surrogates */
};

/* Record a failure and return its status, so that a detector can write `return mr_fail(err, ...)`.
 * err      filled with status and message; NULL: the message is dropped
 * format   printf format; the text is cut at a character boundary when it does not fit, and bytes
 *          that are no WTF-8 become question marks
 * returns  status, unchanged */
mr_status mr_fail(struct mr_error *err, mr_status status, const char *format, ...) MR_PRINTF(3, 4);

/* HTTP status and MLflow error_code of a status; static storage. */
int mr_status_http(mr_status status);
const char *mr_status_error_code(mr_status status);

/* Return from the calling function when an expression is not MR_OK.
 * The only macro of the project that hides control flow. */
#define MR_TRY(expression)                                                                         \
    do {                                                                                           \
        mr_status mr_try_status = (expression);                                                    \
        if (mr_try_status != MR_OK) return mr_try_status;                                          \
    } while (0)

#endif
