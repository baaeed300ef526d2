# Days without a link: packets of brokers that take little, thinning, the cap.
bl_unit_test(test_spool_split SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
bl_unit_test(test_spool_thin SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c
  LINK agent_spool test_shim PkgConfig::SQLITE)

# A figure, not a test: what they cost on the disk (tests/perf/README.md).
add_executable(bench_spool perf/bench_spool.c)
target_link_libraries(bench_spool PRIVATE perf_mix agent_spool bl_codec m bl_options bl_sanitize)
