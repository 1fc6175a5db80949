/* errors.c: OpenCL's error codes in words, and how a refusal becomes a status. */
#include "device/opencl.h"
#include "device/program.h"
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int code;
    const char *symbol;
} symbols[] = {
#define CL_ERROR(code, symbol) {code, #symbol},
#include "device/errors.def"
#undef CL_ERROR
};

/* What these codes say stands whatever was being done. */
static const struct {
    int code;
    enum status status;
} overrides[] = {
    {-2, STATUS_DEVICE},    /* CL_DEVICE_NOT_AVAILABLE */
    {-4, STATUS_NOMEM},     /* CL_MEM_OBJECT_ALLOCATION_FAILURE */
    {-6, STATUS_NOMEM},     /* CL_OUT_OF_HOST_MEMORY */
    {-36, STATUS_DEVICE},   /* CL_INVALID_COMMAND_QUEUE: NVIDIA after a fault of the device */
    {-9999, STATUS_DEVICE}, /* NVIDIA: a kernel touched memory that is not its own */
};

const char *device_error_symbol(int code) {
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (symbols[i].code == code) return symbols[i].symbol;
    return "an OpenCL error without a name";
}

enum status opencl_status(enum status status, cl_int code) {
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++)
        if (overrides[i].code == code) status = overrides[i].status;
    return status;
}

enum status opencl_fail(struct error *err, enum status status, cl_int code, const char *format,
                        ...) {
    char sentence[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return fail(err, opencl_status(status, code), "%s: %s (%d)", sentence,
                device_error_symbol(code), code);
}
