/* HTTP requests to the servers that models come from, made by libcurl.
 *
 * Redirects are followed as Python's requests does for MLflow, but never carry a credential to
 * another host. A URL's own `user:password@` is its credential, and is in no message; neither is
 * its query, which may be a signature. Whatever a server sends is bounded: head, body, time. */
#ifndef MR_STORE_CLIENT_H
#define MR_STORE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

typedef enum mr_login_kind {
    MR_LOGIN_NONE, /* what ~/.netrc says of the host, if it does */
    MR_LOGIN_BASIC,
    MR_LOGIN_BEARER,
    MR_LOGIN_SIGV4, /* the signature of AWS, version 4 */
} mr_login_kind;

/* A credential. Its texts are borrowed. */
struct mr_login {
    mr_login_kind kind;
    const char *source;        /* for messages: where it comes from, such as a variable's name */
    const char *user;          /* BASIC: user name; SIGV4: id of the access key */
    const char *secret;        /* BASIC: password; BEARER: token; SIGV4: secret access key */
    const char *session_token; /* SIGV4; NULL: none */
    const char *region;        /* SIGV4 */
    const char *service;       /* SIGV4: "s3" */
};

struct mr_client_options {
    struct mr_login login;
    const char *advice;           /* when the server wants a credential and there is none: what to
                                     set; a phrase, NULL: none */
    const char *ca_path;          /* file or folder of certificates; NULL: the system's */
    const char *client_cert_path; /* PEM of our certificate and its key; NULL: none */
    const char *workspace;        /* MLflow's, for each request; NULL: none */
    bool is_tls_unchecked;        /* any certificate will do */
    bool has_no_redirects;
    bool has_no_proxy; /* whatever the variables of proxies say */
    bool ignores_retry_after;
    unsigned timeout_s;   /* to connect, and without a byte */
    unsigned max_retries; /* after the first try */
    double backoff_s;     /* the n-th wait is backoff_s * 2^(n-1), the first is 0 */
    double jitter_s;      /* and up to that more, by chance */
    /* Asked several times a second: true ends what is under way with MR_E_UNAVAILABLE. NULL: go on.
     */
    bool (*is_cancelled)(void *ctx);
    void *ctx;
};

/* What MLflow's client would do (mlflow/utils/credentials.py, rest_utils.py): the credential of
 * MLFLOW_TRACKING_USERNAME and _PASSWORD or ~/.mlflow/credentials, or MLFLOW_TRACKING_TOKEN,
 * MLFLOW_TRACKING_INSECURE_TLS, _SERVER_CERT_PATH and _CLIENT_CERT_PATH, MLFLOW_WORKSPACE, and
 * MLFLOW_HTTP_REQUEST_TIMEOUT, _MAX_RETRIES, _BACKOFF_FACTOR, _BACKOFF_JITTER.
 *
 * arena    holds the texts of *out
 * returns  MR_OK; MR_E_INVALID_PARAMETER names the variable that is wrong; MR_E_UNSUPPORTED for
 *          MLFLOW_TRACKING_AUTH and _AWS_SIGV4, which are Python plug-ins; MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_client_options_read(struct mr_client_options *out,
                                               struct mr_arena *arena, struct mr_error *err);

/* Of these only what says how long and how often: the variables MLFLOW_HTTP_REQUEST_*,
 * MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER and MLFLOW_ALLOW_HTTP_REDIRECTS. */
MR_MUST_CHECK mr_status mr_client_options_tries(struct mr_client_options *out,
                                                struct mr_error *err);

/* There is something else to do when the server does not answer: try twice more at most. */
void mr_client_options_hurry(struct mr_client_options *options);

/* Connections, kept for the next request, and the options. One thread at a time. */
struct mr_client;

/* options  copied; its texts must live as long as the client
 * returns  MR_OK; MR_E_UNSUPPORTED: no libcurl, with what to install; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_client_new(const struct mr_client_options *options,
                                      struct mr_client **out, struct mr_error *err);
void mr_client_free(struct mr_client *client); /* NULL is allowed */

struct mr_client_answer {
    int status;         /* of HTTP */
    struct mr_str head; /* lines */
    struct mr_str body; /* of at most max_bytes; a NUL follows */
    const char *url;    /* that answered, fit for messages */
};

/* Where the body of a good answer (status 200 or 206) goes instead of into memory. What a function
 * returns other than MR_OK ends the request, with that and its error. */
struct mr_client_sink {
    mr_status (*begin)(void *ctx, const struct mr_client_answer *answer, struct mr_error *err);
    mr_status (*write)(void *ctx, const char *data, size_t size, struct mr_error *err);
    void *ctx;
};

struct mr_client_request {
    const char *url;            /* http or https, percent-encoded */
    const char *json;           /* to POST; NULL: GET */
    const char *method;         /* NULL: GET or POST */
    const char *const *headers; /* "Name: value", NULL at the end; NULL: none of its own */
    size_t max_bytes;           /* of an answer in memory: more is MR_E_TOO_LARGE */
    bool has_range;             /* ask for n_bytes from first_byte on; n_bytes 0: to the end */
    uint64_t first_byte, n_bytes;
    const struct mr_client_sink *sink; /* NULL: into memory */
};

/* Send a request until it is answered, as often as the options say: again when there was no answer
 * or its status is 408, 429, 500, 502, 503 or 504. Each wait is logged.
 *
 * request  without a sink: a body that has begun is not asked for again
 * arena    holds *out
 * returns  MR_OK with whatever status the answer has; MR_E_UNAVAILABLE: no answer, with the reason;
 *          MR_E_INVALID_PARAMETER: the URL; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_client_send(struct mr_client *client,
                                       const struct mr_client_request *request,
                                       struct mr_arena *arena, struct mr_client_answer *out,
                                       struct mr_error *err);

/* The same once only. */
MR_MUST_CHECK mr_status mr_client_try(struct mr_client *client,
                                      const struct mr_client_request *request,
                                      struct mr_arena *arena, struct mr_client_answer *out,
                                      struct mr_error *err);

/* After a try: whether another could go better, and if so, wait as long as the options and the
 * server's Retry-After say.
 * n_tries  counts, from 0
 * status   what mr_client_try returned; on MR_OK answer counts
 * reason   for the log: what went wrong; NULL: the answer's status */
bool mr_client_wait(struct mr_client *client, unsigned *n_tries, mr_status status,
                    const struct mr_client_answer *answer, const char *reason);

/* Make an error of an answer that is not what was wanted: status, URL and the server's own message,
 * and what was sent as a credential if it was refused. Returns MR_E_NOT_FOUND for 404, MR_E_BUSY
 * for 429, MR_E_UNAVAILABLE for 502 to 504, else MR_E_IO. */
MR_MUST_CHECK mr_status mr_client_fail(const struct mr_client *client,
                                       const struct mr_client_answer *answer, struct mr_error *err);

/* The value of a header, without the spaces around it; empty when there is none.
 * name  without regard to case */
struct mr_str mr_client_header(const struct mr_client_answer *answer, const char *name);

/* What an answer says, on one line for a message: MLflow's error_code and message, else the first
 * of its body. out: room for size bytes, NUL-terminated. */
void mr_client_quote(const struct mr_client_answer *answer, char *out, size_t size);

/* A URI as messages may show it: without `user:password@`, query and fragment. Any scheme.
 * out  room for size bytes, NUL-terminated; what does not fit is cut. Returns out. */
const char *mr_client_show(const char *uri, char *out, size_t size);

/* Append a text percent-encoded, but for letters, digits, -._~ and, if keeps_slashes, '/'. */
void mr_client_encode(struct mr_buf *buf, struct mr_str text, bool keeps_slashes);

#endif
