# Queries over a fleet: pure, with a source that is made up.
foreach(name test_query test_query_rate)
  bl_unit_test(${name} SOURCES unit/query_world.c LINK collector_query collector_store bl_sketch bl_clock m)
endforeach()
bl_unit_test(test_query_set LINK collector_query m)
# And here it is a real store, with a compactor.
bl_unit_test(test_query_store SOURCES unit/compact_kit.c contract/store_fixture.c
  LINK collector_query_store collector_compact collector_store collector_parts collector_chunk
    bl_codec bl_buf bl_log PkgConfig::SQLITE m)
target_include_directories(test_query_store PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)

# Figures, not tests.
add_executable(bench_query perf/bench_query.c)
target_link_libraries(bench_query PRIVATE perf_mix collector_api collector_latest collector_compact collector_fleet
  collector_control collector_store collector_parts bl_codec bl_log m bl_options bl_sanitize)
# The newest values, fed and filled.
bl_unit_test(test_latest SOURCES unit/compact_kit.c contract/store_fixture.c
  LINK collector_latest collector_compact collector_store collector_parts collector_chunk bl_codec
    bl_buf bl_log PkgConfig::SQLITE m)
target_include_directories(test_latest PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
