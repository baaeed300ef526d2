# A figure, not a test: what the levels of zlib bring for bodies.
add_executable(bench_zip perf/bench_zip.c)
target_link_libraries(bench_zip PRIVATE perf_mix bl_codec ZLIB::ZLIB m bl_options)
