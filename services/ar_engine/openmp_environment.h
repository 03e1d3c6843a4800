// libgomp reads its settings when it is loaded, which is before main. So main sets them and starts
// its own program again, once.
#ifndef SHOAL_SERVICES_AR_ENGINE_OPENMP_ENVIRONMENT_H_
#define SHOAL_SERVICES_AR_ENGINE_OPENMP_ENVIRONMENT_H_

namespace shoal::engine {

// Makes OpenMP use `threads` threads that sleep between operators instead of spinning, which would
// starve the other stages on a small machine. Does not return when it starts the program again: the
// same process, the same arguments. A wait policy that the user has set stays.
// REQUIRES: no thread but main's, nothing done yet that must not be done twice.
void SetOpenMpEnvironment(char* const* argv, int threads);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_OPENMP_ENVIRONMENT_H_
