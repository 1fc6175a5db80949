/* model.c: hone model: what is in a model file, its memory at a context, and whether it fits. */
#include "base/units.h"
#include "cli/cli.h"
#include "device/device.h"
#include "runtime/engine.h"
#include <stdlib.h>
#include <string.h>

static const char examples[] = "  hone model model.gguf\n"
                               "  hone model model.gguf --ctx 4096 --json\n";

static json_t *facts_json(const struct engine_model_facts *f, int64_t context, int64_t kv_bytes) {
    json_t *types = json_array();
    for (int i = 0; i < f->n_types; i++)
        json_array_append_new(types, json_pack("{s:s, s:I, s:I}", "type", f->types[i].name,
                                               "tensors", (json_int_t)f->types[i].tensors, "bytes",
                                               (json_int_t)f->types[i].bytes));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
                     "s:I, s:I, s:o}",
                     "name", f->name, "architecture", f->architecture, "license", f->license,
                     "tokenizer", f->tokenizer, "layers", (json_int_t)f->n_layers, "width",
                     (json_int_t)f->width, "hidden", (json_int_t)f->hidden, "heads",
                     (json_int_t)f->n_heads, "kv_heads", (json_int_t)f->n_kv_heads, "head_size",
                     (json_int_t)f->head_size, "vocabulary", (json_int_t)f->vocabulary,
                     "context_limit", (json_int_t)f->context, "parameters",
                     (json_int_t)f->parameters, "file_bytes", (json_int_t)f->file_bytes,
                     "weight_bytes", (json_int_t)f->weight_bytes, "context", (json_int_t)context,
                     "kv_bytes", (json_int_t)kv_bytes, "types", types);
}

static enum status print_facts(const struct engine_model_facts *f, int64_t context,
                               int64_t kv_bytes, struct error *err) {
    char file[UNITS_TEXT], weights[UNITS_TEXT], kv[UNITS_TEXT], bytes[UNITS_TEXT];
    enum status status = out_printf(
        err,
        "%s  (%s%s%s)\n  %lld parameters%s%s, weights %s\n  %lld layers, width %lld, hidden "
        "%lld, "
        "%lld heads of %lld (%lld KV heads), vocabulary %lld (%s)\n  context %lld at most; KV for "
        "%lld "
        "positions in f16: %s\n",
        f->name, f->architecture, f->license[0] ? ", " : "", f->license, (long long)f->parameters,
        f->file_bytes ? " in " : ", generated",
        f->file_bytes ? units_memory((double)f->file_bytes, file) : "",
        units_memory((double)f->weight_bytes, weights), (long long)f->n_layers, (long long)f->width,
        (long long)f->hidden, (long long)f->n_heads, (long long)f->head_size,
        (long long)f->n_kv_heads, (long long)f->vocabulary,
        f->tokenizer[0] ? f->tokenizer : "no tokenizer", (long long)f->context, (long long)context,
        units_memory((double)kv_bytes, kv));
    char tensors[UNITS_TEXT];
    for (int i = 0; i < f->n_types && status == OK; i++)
        status = out_printf(err, "  %-6s %12s  %s\n", f->types[i].name,
                            units_count(f->types[i].tensors, "tensor", tensors),
                            units_memory((double)f->types[i].bytes, bytes));
    return status;
}

/* A file that carries a tokenizer and no weights. */
static enum status print_vocabulary(const struct engine_model_facts *f, struct error *err) {
    return out_printf(err, "%s  (%s%s%s)\n  a vocabulary of %lld tokens (%s), no weights\n",
                      f->name, f->architecture, f->license[0] ? ", " : "", f->license,
                      (long long)f->vocabulary, f->tokenizer);
}

/* Weights, KV and a little for activations against each device's memory. */
static enum status print_fit(int64_t need, struct error *err) {
    struct device_info *list;
    size_t n;
    if (device_list(&list, &n, NULL) != OK) return OK;
    enum status status = OK;
    for (size_t i = 0; i < n && status == OK; i++) {
        char have[UNITS_TEXT], want[UNITS_TEXT];
        status = out_printf(err, "  %s %s: needs about %s of %s\n",
                            (uint64_t)need <= list[i].global_bytes ? "fits" : "does not fit",
                            list[i].name, units_memory((double)need, want),
                            units_memory((double)list[i].global_bytes, have));
    }
    device_list_free(list, n);
    return status;
}

enum status command_model(int argc, const char **argv, struct error *err) {
    struct common_options common = {0};
    struct engine_choice choice = {0};
    struct poptOption table[] = {
        {"tokenizer", 0, POPT_ARG_STRING, &choice.tokenizer, 0, "tokenizer of a llama2.c model",
         "FILE"},
        {"pretokenizer", 0, POPT_ARG_STRING, &choice.pretokenizer, 0,
         "use this pre-tokenizer where the file names an unknown one", "NAME"},
        {"ctx", 0, POPT_ARG_INT, &choice.context, 0,
         "positions to plan memory for (default: min(model's, 4096))", "N"},
        COMMON_OPTIONS(common),
        END_OPTIONS,
    };
    poptContext context = NULL;
    const char **plain;
    bool helped;
    struct engine_model *model = NULL;
    enum status status =
        options_parse("model", "FILE", examples, table, argc, argv, &context, &plain, &helped, err);
    if (status == OK && !helped) status = options_most("model", plain, 1, err);
    if (status != OK || helped) goto done;
    if (!*plain) {
        status = fail(err, STATUS_USAGE, "hone model: name a model file");
        goto done;
    }
    choice.model = (char *)(uintptr_t)*plain;
    if ((status = choice_open_model(&choice, &model, err)) != OK) goto done;
    struct engine_model_facts facts;
    engine_model_describe(model, &facts);
    const int64_t positions = choice.context > 0     ? choice.context
                              : facts.context < 4096 ? facts.context
                                                     : 4096;
    const int64_t kv_bytes = engine_kv_bytes(model, positions, "f16");
    if (common.json) {
        status = json_print(facts_json(&facts, positions, kv_bytes), err);
    } else if (facts.n_layers == 0) {
        status = print_vocabulary(&facts, err);
    } else {
        status = print_facts(&facts, positions, kv_bytes, err);
        if (status == OK) status = print_fit(engine_memory_bytes(model, positions, "f16"), err);
    }
done:
    engine_model_close(model);
    poptFreeContext(context);
    return status;
}
