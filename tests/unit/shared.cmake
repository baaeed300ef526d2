# The base of shared/ and the codec.
bl_unit_test(test_err LINK bl_err)
bl_unit_test(test_log LINK bl_log)
bl_unit_test(test_clock LINK bl_clock)
bl_unit_test(test_buf LINK bl_buf)
bl_unit_test(test_topic LINK bl_topic)
bl_unit_test(test_fault LINK bl_fault)
bl_unit_test(test_json LINK bl_json)
bl_unit_test(test_codec_batch LINK bl_codec)
bl_unit_test(test_codec_message LINK bl_codec)
bl_unit_test(test_codec_golden LINK bl_codec SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/contract/wire_json.c)
target_include_directories(test_codec_golden PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_unit_test(test_codec_nomem NOMEM LINK bl_codec)

# Figures, not tests: bench_codec prints bytes and ns a sample.
add_executable(bench_codec perf/bench_codec.c)
target_link_libraries(bench_codec PRIVATE perf_mix bl_codec ZLIB::ZLIB m bl_options)
