/* The bytes of the worker protocol (docs/internals/worker-protocol.md): headers, requests, results.
 *
 * Pure functions on memory; who sends it is channel.h's matter. What comes from a worker is as
 * untrusted as what comes from a client: every offset, size and enum is checked. */
#ifndef MR_ENGINE_PYPROC_WIRE_H
#define MR_ENGINE_PYPROC_WIRE_H

#include "schema/table.h"

#define MR_WIRE_VERSION 1
#define MR_WIRE_MAGIC 0x3157524Du /* "MRW1" */
#define MR_WIRE_HEADER_BYTES ((size_t)32)
#define MR_WIRE_MAX_DATAGRAM_BYTES ((size_t)65536)
#define MR_WIRE_MAX_FDS 2

typedef enum mr_wire_type {
    MR_WIRE_PREDICT = 1,
    MR_WIRE_CANCEL = 2,
    MR_WIRE_PAUSE = 3,
    MR_WIRE_RESUME = 4,
    MR_WIRE_FORK = 5,
    MR_WIRE_LOADED = 16,
    MR_WIRE_FAILED = 17,
    MR_WIRE_FORKED = 18,
    MR_WIRE_EXITED = 19,
    MR_WIRE_RESULT = 20,
    MR_WIRE_CHUNK = 21,
    MR_WIRE_END = 22
} mr_wire_type;

struct mr_wire_header {
    mr_wire_type type;
    bool is_in_memfd; /* the payload is; else it follows the header */
    uint64_t id;
    uint64_t payload_size; /* bytes */
    uint32_t n_fds;
};

/* Write a header's MR_WIRE_HEADER_BYTES. */
void mr_wire_write_header(const struct mr_wire_header *header, void *to);

/* Read the header of a datagram of size bytes from a worker or host.
 * returns  MR_OK: of a known type that a Python process may send, and a payload that is not in a
 *          memfd fills the rest exactly; MR_E_FORMAT with what is wrong */
MR_MUST_CHECK mr_status mr_wire_read_header(const void *datagram, size_t size,
                                            struct mr_wire_header *out, struct mr_error *err);

struct mr_wire_request_options {
    bool wants_stream;
    bool is_nan_literal; /* NaN as MLflow writes it; else null */
    struct mr_str trace; /* see struct mr_call; size 0: none. Not of several inputs */
};

/* The layout of a request, computed before it is written: so that it can be written once, to where
 * it is sent from. */
struct mr_wire_request;

/* Whether the protocol can carry an input; false: *reason is a phrase that says why, and the body
 * must go raw: a column of JSON values, say, or labels that are not as the protocol has them. */
bool mr_wire_can_carry(const struct mr_input *input, const char **reason);

/* Rows of an input: of a table, or the first size of the first tensor; else 1. */
int64_t mr_wire_n_rows(const struct mr_input *input);

/* Whether missing values of a column are told beside it: floats and datetimes hold them as NaN and
 * NaT. */
bool mr_wire_needs_validity(const struct mr_column *column);

/* Lay a request out.
 * inputs   n_inputs >= 1 that can be carried, borrowed until it is written. Of several, which must
 *          go together by mr_batch_matches, the rows come one after the other as those of one, with
 *          the params of the first
 * out      in the arena; *size: how many bytes it takes
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_wire_plan_request(const struct mr_input *const *inputs, size_t n_inputs,
                                             const struct mr_wire_request_options *options,
                                             struct mr_arena *arena, struct mr_wire_request **out,
                                             size_t *size, struct mr_error *err);

/* Write all of its bytes; `to` has as many as planned, at any address. */
void mr_wire_write_request(const struct mr_wire_request *request, void *to);

/* Read the payload of a RESULT; copies what it keeps into the arena.
 * out      records hold at least one column, and their n_nulls are not counted
 * returns  MR_OK, also for an error that the model raised (http_status is not 0); MR_E_FORMAT with
 *          what is wrong; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_wire_read_result(const void *payload, size_t size,
                                            struct mr_arena *arena, struct mr_output *out,
                                            struct mr_error *err);

/* Which of the inputs of one request an answer is wanted for. */
struct mr_wire_part {
    size_t i, n_parts;         /* among n_parts inputs */
    int64_t first_row, n_rows; /* its rows, */
    int64_t n_all_rows;        /* among those of all */
};

/* The same for one of the inputs of a request that had several.
 * returns  MR_OK: it is answered, and the model raised nothing; MR_E_UNAVAILABLE: they cannot be
 *          answered together, each must be asked alone; *is_final: nor will others of this model;
 *          as above */
MR_MUST_CHECK mr_status mr_wire_read_part(const void *payload, size_t size,
                                          const struct mr_wire_part *part, struct mr_arena *arena,
                                          struct mr_output *out, bool *is_final,
                                          struct mr_error *err);

#endif
