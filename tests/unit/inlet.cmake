# The step inlet: lines as a table, the socket with a scripted sink and a real spool, the fuzz corpus.
foreach(name test_inlet test_inlet_spool)
  bl_unit_test(${name} SOURCES unit/inlet_kit.c LINK agent_inlet agent_spool bl_json)
endforeach()

add_executable(replay_inlet fuzz/fuzz_inlet.c fuzz/replay.c)
target_link_libraries(replay_inlet PRIVATE agent_inlet bl_codec bl_buf bl_options bl_sanitize)
add_test(NAME fuzz_inlet_corpus
  COMMAND replay_inlet ${CMAKE_CURRENT_SOURCE_DIR}/data/inlet/corpus)
set_tests_properties(fuzz_inlet_corpus PROPERTIES TIMEOUT 120)
