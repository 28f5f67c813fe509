/* The seam between a model and what evaluates it.
 *
 * An engine says in `probe` whether it can reproduce the original library on a model, and why
 * (not). A native one has to read the model for that, and so gives the loaded model at once; others
 * do so in `load`. All threads share a loaded model. A native engine answers in `predict`, at
 * once, on the caller's thread, and many threads may call it; an engine that has others work for it
 * answers calls later (`ask`). An engine never answers approximately: what it cannot reproduce it
 * refuses in `probe`. Callers go through the mr_engine_* functions below; nobody else touches a
 * slot. */
#ifndef MR_ENGINE_ENGINE_H
#define MR_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "schema/signature.h"
#include "schema/table.h"

struct mr_object;

/* Which calls are sent to a worker together. */
typedef enum mr_batch_choice {
    MR_BATCH_NEVER,
    MR_BATCH_KNOWN, /* of models known to answer each row exactly as if it were alone */
    MR_BATCH_ALWAYS /* the operator says that the model does */
} mr_batch_choice;

/* What happens to calls while all workers are busy. A 0 of a limit: none. */
struct mr_queue_options {
    mr_batch_choice batch;
    unsigned max_batch_rows; /* a call with more goes alone, and leaves a worker to smaller ones;
                                0: MR_MAX_BATCH_ROWS */
    size_t max_batch_bytes;  /* the same, as they are sent; 0: MR_MAX_BATCH_BYTES */
    unsigned max_batch_delay_us; /* a worker that is free waits so long, from the first call on,
                                    for as many calls as were last answered together */
    size_t max_calls;            /* that wait; beyond a limit a call is refused, MR_E_BUSY, but for
                                    the only one */
    uint64_t max_rows;           /* the sum of theirs; of a raw body 1 */
    size_t max_bytes;            /* the same, as they are sent */
    unsigned max_delay_us;       /* the same: how long it would wait, by what calls take lately;
                                    there may be one for each worker, however long they take */
};

#define MR_MAX_BATCH_ROWS 1024
#define MR_MAX_BATCH_BYTES ((size_t)1 << 20)

/* How the Python engine runs its workers. Strings are borrowed and must outlive the engine. */
struct mr_python_options {
    const char *problem;      /* NULL, or why there is no Python: the next two are not given */
    const char *interpreter;  /* path of the program */
    const char *package_path; /* folder that holds the Python package mlrace */
    const char *env_manager;  /* "local", "virtualenv", "uv", "conda"; NULL: the interpreter's own
                                 packages when they satisfy the model's requirements, else fail */
    bool installs_mlflow;     /* --install-mlflow */
    bool is_offline;          /* building an environment must not use the network */
    const char *wheel_dir;    /* where wheels lie for that; NULL: none */
    const char *const *pip_overrides; /* --pip-requirements-override: n_pip_overrides of them */
    size_t n_pip_overrides;
    const char *const *variables; /* --env: "KEY=VALUE", n_variables of them */
    size_t n_variables;
    unsigned n_workers;  /* worker processes; 0: the CPU limit */
    unsigned timeout_ms; /* from the time a call is asked for its answer, or the first part of a
                            streamed one, and again for the next part; 0: none */
    struct mr_queue_options queue;
    bool has_stack_traces; /* errors tell where in Python they were raised */
    bool is_nan_literal;   /* JSON that Python writes has NaN and infinities bare; else null */
    bool is_waiting;       /* calls asked while the model is loading wait for it, else they fail */
    /* Told once when loading has ended, on a thread of the engine: err is NULL when ready. May be
     * NULL itself. */
    void (*loaded)(void *ctx, const struct mr_error *err);
    void *ctx;
};

typedef enum mr_engine_choice {
    MR_ENGINE_AUTO,   /* native when one can, else Python */
    MR_ENGINE_NATIVE, /* native or an error */
    MR_ENGINE_PYTHON
} mr_engine_choice;

struct mr_engine_options {
    mr_engine_choice choice;
    struct mr_python_options python;
};

/* What is known of a model before an engine is chosen. Borrowed by probe and load; engines copy
 * what they keep, but for the options' strings and the signature's. */
struct mr_model_source {
    struct mr_str flavor;  /* the loader module behind python_function: "mlflow.sklearn" */
    const char *path;      /* folder of MLmodel */
    const char *data_path; /* the model file itself; NULL when the flavor names none */
    struct mr_str
        serialization_format;  /* sklearn, lightgbm: "skops", "cloudpickle", "pickle"; or size 0 */
    struct mr_str model_class; /* xgboost, lightgbm: "xgboost.core.Booster"; size 0: not given */
    struct mr_str predict_fn;  /* "predict", "predict_proba", ... */
    const struct mr_signature *signature;    /* NULL: none. Outlives the loaded model */
    const struct mr_engine_options *options; /* NULL: MR_ENGINE_NATIVE */
    uint64_t fingerprint; /* the files that Python is to load, mr_folder_fingerprint(path), others
                             it does not; 0: those that are there */
    struct mr_graph_file *shared; /* among the probes of one mr_engine_find: see graph.h; others
                                     leave it NULL */
    unsigned depth;               /* estimators that this one is inside of: mr_engine_find_inside */
};

/* A loaded model; private to its engine. */
struct mr_engine_model;

struct mr_probe {
    int score;                     /* 0: cannot; else higher is preferred */
    char reason[512];              /* one sentence: why it can, or why not */
    struct mr_engine_model *model; /* of a native engine that can; else NULL */
};

/* A question to an engine, from mr_engine_ask to its answer. In the request's arena, which is the
 * engine's while the call is under way. */
struct mr_call {
    /* Set by the caller. */
    const struct mr_input *input; /* enforced, or MR_INPUT_RAW */
    struct mr_arena *arena;
    bool wants_stream;    /* answer in chunks if the model can */
    uint64_t deadline_ns; /* of CLOCK_MONOTONIC: the client waits no longer for the answer, or its
                             first part; 0: not said */
    struct mr_str trace;  /* that the model is to continue, valid until `done`: 55 bytes of
                             traceparent, then a tracestate, as in HTTP's headers; size 0: none.
                             Of calls that are answered together none is continued */
    /* Both on any thread, none after mr_engine_cancel returned true. chunk: a part of a streamed
     * answer, as JSON text of one line that is valid until it returns; false when it cannot be
     * taken, which ends the call by `done` with MR_E_NO_MEMORY. It may pause or cancel the call.
     * done: once, the last; status says what came. */
    bool (*chunk)(struct mr_call *call, struct mr_str json);
    void (*done)(struct mr_call *call);
    void *ctx; /* the caller's */

    /* Set by the engine. */
    uint64_t started_ns; /* of CLOCK_MONOTONIC: when a worker was given the call, the last time if
                            more than once; 0: it never was */
    mr_status status;
    bool is_streamed;        /* MR_OK: all of the answer came in chunks, maybe none */
    struct mr_output output; /* MR_OK, not streamed: in the arena or in the model */
    struct mr_error err;     /* status is not MR_OK */
    void *state;             /* private to the engine */
};

typedef enum mr_engine_state {
    MR_ENGINE_LOADING, /* for the first time */
    MR_ENGINE_READY,   /* loaded and warm */
    MR_ENGINE_DOWN,    /* it was ready, but nobody lives at the moment who could answer */
    MR_ENGINE_FAILED   /* loading failed, for good */
} mr_engine_state;

/* What an engine knows of the model's own input example. */
typedef enum mr_warm_up {
    MR_WARM_UP_UNKNOWN, /* it was not asked; of native engines always */
    MR_WARM_UP_DONE,
    MR_WARM_UP_FAILED /* the model has raised an error */
} mr_warm_up;

/* Upper bounds of the sizes that are counted: 1, 2, 4, ... rows. */
#define MR_STATS_N_SIZES 15

/* What an engine that is asked does, and has done since it was loaded; for metrics. Rows of what is
 * not decoded count as one. */
struct mr_engine_stats {
    unsigned n_workers;      /* that there are to be */
    unsigned n_alive;        /* of them: can be given calls */
    uint64_t n_replaced;     /* workers that ended, and were or will be started anew */
    uint64_t n_waiting;      /* calls in the queue */
    uint64_t n_waiting_rows; /* theirs */
    uint64_t waiting_bytes;  /* as they are, or would be, sent */
    uint64_t n_under_way;    /* calls that workers have, and somebody waits for */
    uint64_t n_refused;      /* calls: the queue was full */
    uint64_t n_rerun; /* calls sent once more, alone, since they could not be answered together */
    /* What workers were sent in one message, a call or several together. */
    uint64_t n_sent_of_size[MR_STATS_N_SIZES + 1]; /* [i]: messages of at most 1 << i rows and not
                                                      in those before; the last one: larger ones */
    uint64_t n_sent_calls;                         /* calls in all of them */
    uint64_t n_sent_rows;
};

struct mr_engine_ops {
    const char *name;
    bool is_native; /* answers by `predict`; else by `ask` */
    /* Fills *probe, which is zeroed; an unreadable file is score 0 with the reason. */
    void (*probe)(const struct mr_model_source *source, struct mr_probe *probe);
    /* Not native; NULL for native engines. MR_OK, MR_E_FORMAT, MR_E_IO, MR_E_UNSUPPORTED,
     * MR_E_NO_MEMORY. On error *out is untouched. May go on loading afterwards: see `state`. */
    mr_status (*load)(const struct mr_model_source *source, struct mr_engine_model **out,
                      struct mr_error *err);
    /* Append a line or more for `mlrace explain`. */
    void (*describe)(const struct mr_engine_model *model, struct mr_buf *buf);
    void (*unload)(struct mr_engine_model *model);

    /* Native. input: enforced. out: filled, lives in the arena or in the model. The answer to a
     * row, and the dtype and shape it has, does not depend on the other rows of the input: callers
     * ask for rows of one input in parts, at once on several threads. MR_E_BAD_REQUEST: the
     * original library would raise on this input. */
    mr_status (*predict)(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err);

    /* See the functions below. Of native engines only of what is decoded; NULL there: all of it. */
    bool (*can_take)(const struct mr_engine_model *model, const struct mr_input *input,
                     struct mr_arena *arena, const char **reason);

    /* Not native: see the functions below. */
    void (*ask)(struct mr_engine_model *model, struct mr_call *call);
    mr_status (*check_room)(struct mr_engine_model *model, struct mr_error *err);
    bool (*cancel)(struct mr_engine_model *model, struct mr_call *call);
    void (*pause)(struct mr_engine_model *model, struct mr_call *call, bool is_paused);
    mr_engine_state (*state)(const struct mr_engine_model *model);
    mr_warm_up (*warm_up)(struct mr_engine_model *model, struct mr_error *err);
    void (*stats)(struct mr_engine_model *model, struct mr_engine_stats *out);
};

/* An engine with a model in it: what a server holds. */
struct mr_engine {
    const struct mr_engine_ops *ops;
    struct mr_engine_model *model; /* NULL: not loaded */
    char reason[512];              /* why this engine was chosen */
    char refusals[768];            /* why the others cannot, each with its reason; "": none */
};

/* MR_E_UNSUPPORTED with the reason when requests of that signature (NULL: none) can give inputs
 * that only Python can make: no native engine takes such models. */
MR_MUST_CHECK mr_status mr_engine_check_signature(const struct mr_signature *signature,
                                                  struct mr_error *err);

/* Probe all engines that the options allow and choose the best. A native one has loaded the model
 * then: end with mr_engine_unload.
 * returns  MR_OK; MR_E_UNSUPPORTED with each engine's reason when none can */
MR_MUST_CHECK mr_status mr_engine_find(const struct mr_model_source *source, struct mr_engine *out,
                                       struct mr_error *err);

/* The native engine for an estimator inside of the one that a probe looks at, an object of the same
 * graph.  source: the probe's.  returns  as above */
MR_MUST_CHECK mr_status mr_engine_find_inside(const struct mr_model_source *source,
                                              const struct mr_object *estimator,
                                              struct mr_engine *out, struct mr_error *err);

/* Load the model into the engine that was found for it, unless it is loaded; statuses as for its
 * `load`. */
MR_MUST_CHECK mr_status mr_engine_load(const struct mr_model_source *source,
                                       struct mr_engine *engine, struct mr_error *err);

/* Both of the above. On error *out is untouched. */
MR_MUST_CHECK mr_status mr_engine_choose(const struct mr_model_source *source,
                                         struct mr_engine *out, struct mr_error *err);

/* Answer at once; for native engines. */
MR_MUST_CHECK mr_status mr_engine_predict(const struct mr_engine *engine,
                                          const struct mr_input *input, struct mr_arena *arena,
                                          struct mr_output *out, struct mr_error *err);

bool mr_engine_is_native(const struct mr_engine *engine);

/* Whether the engine can be asked an input, decoded or raw. false: *reason is a phrase that says
 * why; of what was decoded the body itself, MR_INPUT_RAW, may do. arena: scratch. */
bool mr_engine_can_take(const struct mr_engine *engine, const struct mr_input *input,
                        struct mr_arena *arena, const char **reason);

/* Whether mr_engine_can_take is true of all that is decoded. */
bool mr_engine_takes_decoded(const struct mr_engine *engine);

/* Whether the engine would refuse whatever call it was asked now: for those who have not decoded it
 * yet.
 * returns  MR_OK, of a native engine always; MR_E_BUSY, and that is counted as refused
 * threads  any */
MR_MUST_CHECK mr_status mr_engine_check_room(const struct mr_engine *engine, struct mr_error *err);

/* Ask; call->done tells the answer, from a native engine before this returns, from others on a
 * thread of theirs, maybe before this returns.  threads: any */
void mr_engine_ask(const struct mr_engine *engine, struct mr_call *call);

/* Withdraw a call that is no longer wanted.  threads: any
 * returns  true: neither chunk nor done will be called, and the arena is the caller's again;
 *          false: done is being called, or was */
bool mr_engine_cancel(const struct mr_engine *engine, struct mr_call *call);

/* Hold back the chunks of a streamed answer, or let them come again: a hint.
 * threads  any, also from within `chunk` */
void mr_engine_pause(const struct mr_engine *engine, struct mr_call *call, bool is_paused);

mr_engine_state mr_engine_state_of(const struct mr_engine *engine);

/* How the engine itself has warmed the model up, which it has by the time it is ready.
 * err      gets the model's error, if that is how; may be NULL
 * threads  any */
mr_warm_up mr_engine_warm_up_of(const struct mr_engine *engine, struct mr_error *err);

/* All counts as they are at one moment; of a native engine, which has no workers, zeroes.
 * threads  any */
void mr_engine_stats_of(const struct mr_engine *engine, struct mr_engine_stats *out);

void mr_engine_describe(const struct mr_engine *engine, struct mr_buf *buf);

/* No call may be under way. A zeroed engine, or one that was never loaded, is allowed. */
void mr_engine_unload(struct mr_engine *engine);

#endif
