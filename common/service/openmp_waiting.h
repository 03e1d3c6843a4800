// How OpenMP threads wait for work. By default they spin, which starves every other process of the
// machine; here several stages share few cores. libgomp reads its settings when it is loaded,
// before main, so a change takes a new start of the same binary.
#ifndef SHOAL_COMMON_SERVICE_OPENMP_WAITING_H_
#define SHOAL_COMMON_SERVICE_OPENMP_WAITING_H_

namespace shoal::service {

// Sets OMP_WAIT_POLICY=PASSIVE and starts this binary again with the same arguments, unless the
// variable is set already, to whatever value. The first thing in main.
void WaitPassively(char** argv);

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_OPENMP_WAITING_H_
