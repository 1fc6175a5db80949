/* own.h: a kernel of one's own for tests, and the faults that it may have:
 *
 *     y[i] = a·x[i] + y[i],   BLOCK values an item, in groups of WG, by way of MODE */
#pragma once
#include "base/path.h"
#include "base/str.h"
#include "tuner/t1_read.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char own_kernel[] =
    "#if MODE == broken\n"
    "#error this one does not compile\n"
    "#endif\n"
    "__kernel void saxpy(int n, float a, __global const float *x, __global float *y) {\n"
    "    for (int k = 0; k < BLOCK; k++) {\n"
    "        const int i = get_global_id(0) + k * get_global_size(0);\n"
    "        if (i >= n) return;\n"
    "#if MODE == 2\n" /* wrong in one place */
    "        if (i == n / 2) { y[i] = 1.01f * y[i]; continue; }\n"
    "#elif MODE == 3\n" /* beyond the end */
    "        if (i == n - 1) y[n] = 7;\n"
    "#elif MODE == 4\n" /* crash */
    "        *(volatile __global int *)0 = 1;\n"
    "#elif MODE == 5\n" /* hang */
    "        volatile __global float *flag = y;\n"
    "        while (flag[i] != 123.25f) flag[i] = 1.0f;\n"
    "#endif\n"
    "        y[i] = a * x[i] + y[i];\n"
    "    }\n"
    "}\n";

/* MODE: 0 right, 1 does not compile, 2 wrong, 3 beyond the end, 4 crashes, 5 hangs. */
static inline char *own_space(const char *modes, int usual) {
    return text_format(
        "{\"ConfigurationSpace\": {\"TuningParameters\": ["
        "{\"Name\": \"WG\", \"Type\": \"int\", \"Values\": \"[16*2**i for i in range(3)]\"},"
        "{\"Name\": \"BLOCK\", \"Type\": \"int\", \"Values\": [1, 2]},"
        "{\"Name\": \"MODE\", \"Type\": \"int\", \"Values\": \"%s\", \"Default\": %d}],"
        "\"Conditions\": [{\"Expression\": \"WG * BLOCK <= 64 and not (WG == 16 and BLOCK == 2)\","
        "\"Parameters\": [\"WG\", \"BLOCK\"]}]},"
        "\"KernelSpecification\": {\"Language\": \"OpenCL\", \"KernelName\": \"saxpy\","
        "\"CompilerOptions\": [\"-std=c++11\", \"-Dbroken=1\"],"
        "\"ProblemSize\": [10007], \"GridDivX\": [\"WG\", \"BLOCK\"], \"GridDivY\": null,"
        "\"LocalSize\": {\"X\": \"WG\", \"Y\": \"1\"},"
        "\"GlobalSize\": {\"X\": \"ProblemSize[0]\", \"Y\": \"1\"},"
        "\"Arguments\": ["
        "{\"Name\": \"n\", \"Type\": \"int32\", \"MemoryType\": \"Scalar\", \"FillValue\": "
        "\"ProblemSize[0]\"},"
        "{\"Name\": \"a\", \"Type\": \"float\", \"MemoryType\": \"Scalar\", \"FillValue\": 2.5},"
        "{\"Name\": \"x\", \"Type\": \"float\", \"MemoryType\": \"Vector\", \"AccessType\": "
        "\"ReadOnly\", \"FillType\": \"Random\", \"Size\": \"ProblemSize[0]\"},"
        "{\"Name\": \"y\", \"Type\": \"float\", \"MemoryType\": \"Vector\", \"AccessType\": "
        "\"ReadWrite\", \"FillType\": \"Random\", \"FillValue\": 3, \"Size\": "
        "\"ProblemSize[0] + 0*max(WG)\"}]}}",
        modes, usual);
}

static const char own_reference[] =
    "#include \"kernels/hone_reference.h\"\n"
    "int hone_reference(struct hone_reference *call) {\n"
    "    struct hone_argument *a = call->arguments;\n"
    "    const int n = *(const int *)a[0].data;\n"
    "    const float *x = a[2].data;\n"
    "    float *y = a[3].expected;\n"
    "    if (call->n_arguments != 4 || call->size[0] != n || a[3].n != (size_t)n) return 7;\n"
    "    for (int i = 0; i < n; i++) y[i] += (double)*(const float *)a[1].data * x[i];\n"
    "    return 0;\n"
    "}\n";

/* A reference as a library in the folder; run from the root of the sources. */
static inline const char *own_library(const char *folder, const char *text) {
    static char library[1200];
    char source[1200];
    struct error err = {0};
    snprintf(source, sizeof source, "%s/reference.c", folder);
    snprintf(library, sizeof library, "%s/reference.so", folder);
    cr_assert_eq(path_write(source, text, strlen(text), &err), OK, "%s", err.text);
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("cc", "cc", "-shared", "-fPIC", "-I.", "-o", library, source, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cc fails on %s", source);
    return library;
}

/* Its family, lent; the texts are not needed after. */
static inline const struct family *own_lend(const char *modes, int usual, const char *reference) {
    const struct family *family = NULL;
    struct error err = {0};
    char *space = own_space(modes, usual);
    const struct t1_source source = {
        .path = "saxpy.json", .space = space, .kernel = own_kernel, .reference = reference};
    cr_assert_eq(t1_lend(&source, &family, NULL, &err), OK, "%s", err.text);
    free(space);
    return family;
}

static inline struct problem own_problem(const struct family *family) {
    struct problem problem;
    struct error err = {0};
    cr_assert_eq(problem_parse(slice_find(family->name), "", &problem, &err), OK, "%s", err.text);
    return problem;
}
