foreach(name test_ingest test_ingest_bad)
  bl_unit_test(${name} SOURCES unit/ingest_kit.c contract/store_fixture.c
    LINK collector_ingest bl_log PkgConfig::SQLITE m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
endforeach()
# Decoders that die, for the poison tests.
target_link_options(test_ingest_bad PRIVATE -Wl,--wrap=bl_batch_verify
  -Wl,--wrap=bl_batch_header_decode -Wl,--wrap=bl_dict_decode -Wl,--wrap=bl_hello_decode)
bl_unit_test(test_ingest_crash SOURCES contract/store_fixture.c LINK collector_ingest bl_fault bl_log m)
target_include_directories(test_ingest_crash PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
set_tests_properties(test_ingest_crash PROPERTIES TIMEOUT 7200) # with BL_LONG=1

# Built with the tests, run by tests/perf/run.
add_executable(bench_ingest perf/bench_ingest.c)
target_link_libraries(bench_ingest PRIVATE perf_mix collector_ingest m bl_options bl_sanitize)
