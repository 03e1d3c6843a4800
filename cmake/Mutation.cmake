# Tests of tests: a test that would pass whatever the code does is worth nothing, so for the faults
# that matter most there is a copy of the source with the fault put in, and the test has to find it.

# shoal_mutation_test(NAME TEST target SOURCE path/of/file.cc REPLACE "text" WITH "text" LABELS ...)
#   TEST     a shoal_test; its objects are linked again, against the faulty copy
#   SOURCE   relative to the repository; a source of a static library that the test links
#   REPLACE  stands in SOURCE exactly once, or else the build fails: a fault that is put in nowhere
#            must not pass for one that was found
# The entry in ctest passes if the test runs to its end and fails there by its own assertions; a crash,
# a time-out and success are failures. The copy is made when building, so that editing SOURCE costs
# no new configuration. Not under sanitizers, which have nothing to say of a fault put in on purpose.
function(shoal_mutation_test name)
  if(SHOAL_SANITIZE)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TEST;SOURCE;REPLACE;WITH" "LABELS")
  get_filename_component(file ${arg_SOURCE} NAME)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/mutations/${name})
  # Written only when they differ, so that nothing is built again.
  file(CONFIGURE OUTPUT ${folder}/replace.txt CONTENT "${arg_REPLACE}" @ONLY)
  file(CONFIGURE OUTPUT ${folder}/with.txt CONTENT "${arg_WITH}" @ONLY)
  set(script ${CMAKE_SOURCE_DIR}/cmake/mutate_source.cmake)
  add_custom_command(OUTPUT ${folder}/${file}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/${arg_SOURCE} -DREPLACE=${folder}/replace.txt
            -DWITH=${folder}/with.txt -DOUTPUT=${folder}/${file} -P ${script}
    DEPENDS ${CMAKE_SOURCE_DIR}/${arg_SOURCE} ${folder}/replace.txt ${folder}/with.txt ${script}
    VERBATIM)
  # Ahead of the library's own copy, which the linker then has no need of.
  add_executable(${name} ${folder}/${file} $<TARGET_OBJECTS:${arg_TEST}>)
  get_target_property(libraries ${arg_TEST} LINK_LIBRARIES)
  target_link_libraries(${name} PRIVATE ${libraries})
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/cmake/expect_caught $<TARGET_FILE:${name}>)
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS};mutation" TIMEOUT 120)
endfunction()
