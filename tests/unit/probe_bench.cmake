# Built with the tests, run by tests/perf/run.
add_executable(bench_probe perf/bench_probe.c)
target_link_libraries(bench_probe PRIVATE agent_probe bl_conf bl_clock bl_options bl_sanitize)
