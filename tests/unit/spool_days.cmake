# Days without a link: packets of brokers that take little, thinning, the cap.
bl_unit_test(test_spool_split SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool)
foreach(name test_spool_thin test_spool_thin_drop)
  bl_unit_test(${name}
    SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_thin_kit.c
    LINK agent_spool test_shim PkgConfig::SQLITE)
endforeach()

# A figure, not a test: what they cost on the disk (tests/perf/README.md).
add_executable(bench_spool perf/bench_spool.c)
target_link_libraries(bench_spool PRIVATE perf_mix agent_spool bl_codec m bl_options bl_sanitize)
