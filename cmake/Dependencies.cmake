# Debian packages, and libtorch from the PyPI wheel that scripts/bootstrap installs.

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost REQUIRED)  # headers only
pkg_check_modules(ZeroMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(SndFile REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(Soxr REQUIRED IMPORTED_TARGET soxr)
pkg_check_modules(Pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(Icu REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(Sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(Sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(Zlib REQUIRED IMPORTED_TARGET zlib)

if(NOT SHOAL_TORCH)
  return()
endif()

set(SHOAL_TORCH_ROOT "$ENV{HOME}/.cache/shoal/torch-2.11.0"
    CACHE PATH "The virtual environment that holds the torch wheel (scripts/bootstrap makes it)")
file(GLOB _torch_dirs ${SHOAL_TORCH_ROOT}/lib/python3*/site-packages/torch)
if(NOT _torch_dirs)
  message(FATAL_ERROR "No torch wheel under SHOAL_TORCH_ROOT=${SHOAL_TORCH_ROOT}: run scripts/bootstrap")
endif()
list(GET _torch_dirs 0 _torch)

# The wheel also carries headers of other versions of protobuf and fmt: -idirafter keeps the
# system's ahead of them. The loader finds the CUDA runtime through the wheel's own RPATH.
add_library(torch INTERFACE)
target_compile_options(torch INTERFACE
  "SHELL:-idirafter ${_torch}/include" "SHELL:-idirafter ${_torch}/include/torch/csrc/api/include"
  -Wno-unused-parameter -Wno-deprecated-declarations)
target_link_libraries(torch INTERFACE ${_torch}/lib/libtorch_cpu.so ${_torch}/lib/libc10.so)
target_link_options(torch INTERFACE -Wl,-rpath,${_torch}/lib -Wl,--no-as-needed
  -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/hide_protobuf.map)
