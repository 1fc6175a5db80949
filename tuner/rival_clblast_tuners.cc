/* rival_clblast_tuners.cc: see rival_clblast_tuners.h. The one file in C++: the tuners take an
 * unordered_map, and throw. They are looked up by their names in the binary, so that hone runs
 * without CLBlast, and says so where it has none: before 1.4.0, and where it was built with
 * another C++ library than GCC's. */
#include "tuner/rival_clblast_tuners.h"
#include <clblast.h>
#include <dlfcn.h>
#include <string.h>

namespace {

using parameters = std::unordered_map<std::string, size_t>;
using tuner_function = clblast::StatusCode(cl_command_queue *, const size_t m, const size_t n,
                                           const size_t k, const double fraction, parameters &);

/* clblast::TuneXgemm<float>(cl_command_queue *, size_t, size_t, size_t, double, parameters &) */
#define SYMBOL(name)                                                                               \
    "_ZN7clblast" name "IfEENS_10StatusCodeEPP17_cl_command_queuemmmdRSt13unordered_mapINSt7__"    \
    "cxx1112basic_stringIcSt11char_traitsIcESaIcEEEmSt4hashISB_ESt8equal_toISB_ESaISt4pairIKSB_"   \
    "mEEE"
const struct {
    const char *kernel, *symbol;
} tuners[] = {{"Xgemm", SYMBOL("9TuneXgemm")}, {"XgemmDirect", SYMBOL("15TuneXgemmDirect")}};

tuner_function *find(void *library, const char *kernel) {
    for (const auto &tuner : tuners)
        if (strcmp(tuner.kernel, kernel) == 0)
            return reinterpret_cast<tuner_function *>(dlsym(library, tuner.symbol));
    return nullptr;
}

} // namespace

enum status clblast_tune(void *library, const char *kernel, void *queue, size_t m, size_t n,
                         size_t k, double fraction, struct str *found, struct error *err) {
    tuner_function *tune = find(library, kernel);
    if (!tune)
        return fail(err, STATUS_UNSUPPORTED,
                    "this CLBlast has no tuner of %s to call; Debian's libclblast1 (1.5.3) has one",
                    kernel);
    cl_command_queue commands = static_cast<cl_command_queue>(queue);
    parameters best;
    try {
        const clblast::StatusCode code = tune(&commands, m, n, k, fraction, best);
        if (code != clblast::StatusCode::kSuccess)
            return fail(err, STATUS_LAUNCH, "CLBlast's tuner of %s ends with %d", kernel,
                        static_cast<int>(code));
    } catch (const std::exception &thrown) {
        return fail(err, STATUS_LAUNCH, "CLBlast's tuner of %s: %s", kernel, thrown.what());
    }
    for (const auto &parameter : best)
        str_addf(found, "%s%s=%zu", found->length ? "," : "", parameter.first.c_str(),
                 parameter.second);
    return OK;
}
