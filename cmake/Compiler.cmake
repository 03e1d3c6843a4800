# Language, warnings and sanitizers, the same for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# libtorch_cpu exports old protobuf symbols; ours must not be visible beside them.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

find_program(SHOAL_CCACHE ccache)
if(SHOAL_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SHOAL_CCACHE})
endif()
# Every machine of the last ten years has AVX2 and FMA; wider units are chosen at run time.
add_compile_options(-march=x86-64-v3 -Wall -Wextra -Werror)
add_compile_options(-ffp-contract=off)  # a product is fused only where the code says so
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of GCC 12 inside optimised standard library and protobuf code.
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized
                      -fpch-preprocess)
endif()

if(SHOAL_SANITIZE)
  add_compile_options(-fsanitize=${SHOAL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SHOAL_SANITIZE})
endif()

# Fuzzers find their way by the coverage of the code they test, not of their own few lines.
if(SHOAL_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
