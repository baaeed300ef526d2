# The StatsD inlet: packets as a table and by chance, its sockets, its caps.
foreach(name test_statsd test_statsd_model test_statsd_stream)
  bl_unit_test(${name} SOURCES unit/inlet_host.c
    LINK agent_statsd agent_intake agent_inlet bl_sketch bl_codec bl_buf bl_log bl_json m)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/statsd)
endforeach()
bl_unit_test(test_statsd_nomem NOMEM LINK agent_statsd agent_intake agent_inlet bl_sketch bl_codec bl_buf bl_log)
target_include_directories(test_statsd_nomem PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/statsd)

# Built with the tests, run by tests/perf/run.
bl_kits(sources unit/inlet_host.c)
add_executable(bench_statsd perf/bench_statsd.c ${sources})
target_include_directories(bench_statsd PRIVATE unit)
target_link_libraries(bench_statsd PRIVATE agent_statsd agent_intake bl_codec bl_buf PkgConfig::CMOCKA m
  bl_options bl_sanitize)
