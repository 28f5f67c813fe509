/* The seam between a model and what evaluates it.
 *
 * An engine says in `probe` whether it can reproduce the original library on a model, and why
 * (not). `load` gives an immutable model that all threads share; `predict` may run on many threads
 * at once. An engine never answers approximately: what it cannot reproduce it refuses in `probe`.
 * Callers go through the mr_engine_* functions below; nobody else touches a slot. */
#ifndef MR_ENGINE_ENGINE_H
#define MR_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "schema/signature.h"
#include "schema/table.h"

/* What is known of a model before an engine is chosen. Borrowed by probe and load; engines copy
 * what they keep. */
struct mr_model_source {
    struct mr_str flavor;  /* the loader module behind python_function: "mlflow.sklearn" */
    const char *path;      /* folder of MLmodel */
    const char *data_path; /* the model file itself; NULL when the flavor names none */
    struct mr_str
        serialization_format; /* sklearn: "skops", "cloudpickle", "pickle"; size 0: none */
    struct mr_str predict_fn; /* "predict", "predict_proba", ... */
    const struct mr_signature *signature;
};

struct mr_probe {
    int score;        /* 0: cannot; else higher is preferred */
    char reason[512]; /* one sentence: why it can, or why not */
};

/* A loaded model; private to its engine. */
struct mr_engine_model;

struct mr_engine_ops {
    const char *name;
    /* Fills *probe; an unreadable file is score 0 with the reason. */
    void (*probe)(const struct mr_model_source *source, struct mr_probe *probe);
    /* MR_OK, MR_E_FORMAT, MR_E_IO, MR_E_UNSUPPORTED, MR_E_NO_MEMORY. On error *out is untouched. */
    mr_status (*load)(const struct mr_model_source *source, struct mr_engine_model **out,
                      struct mr_error *err);
    /* Append a line or more for `mlrace explain`. */
    void (*describe)(const struct mr_engine_model *model, struct mr_buf *buf);
    /* input: enforced. out: filled, lives in the arena or in the model.
     * MR_E_BAD_REQUEST: the original library would raise on this input. */
    mr_status (*predict)(const struct mr_engine_model *model, const struct mr_input *input,
                         struct mr_arena *arena, struct mr_output *out, struct mr_error *err);
    void (*unload)(struct mr_engine_model *model);
};

/* An engine with a model in it: what a server holds. */
struct mr_engine {
    const struct mr_engine_ops *ops;
    struct mr_engine_model *model;
    char reason[512]; /* why this engine was chosen */
};

/* Probe all engines and load the best.
 * returns  MR_OK; MR_E_UNSUPPORTED with each engine's reason when none can; load's errors */
MR_MUST_CHECK mr_status mr_engine_choose(const struct mr_model_source *source,
                                         struct mr_engine *out, struct mr_error *err);

MR_MUST_CHECK mr_status mr_engine_predict(const struct mr_engine *engine,
                                          const struct mr_input *input, struct mr_arena *arena,
                                          struct mr_output *out, struct mr_error *err);

void mr_engine_describe(const struct mr_engine *engine, struct mr_buf *buf);

void mr_engine_unload(struct mr_engine *engine); /* zeroed engine is allowed */

#endif
