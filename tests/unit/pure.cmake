# What evaluates without I/O: time zones, sketches, windows, rules.
bl_unit_test(test_tz LINK bl_tz)
target_include_directories(test_tz PRIVATE ${PROJECT_SOURCE_DIR}/shared/tz)
bl_unit_test(test_sketch LINK bl_sketch m)
bl_unit_test(test_sum LINK bl_window m)
target_include_directories(test_sum PRIVATE ${PROJECT_SOURCE_DIR}/shared/window)
bl_unit_test(test_part LINK bl_window m)
bl_unit_test(test_window LINK bl_window)
target_include_directories(test_window PRIVATE ${PROJECT_SOURCE_DIR}/shared/tz)
bl_unit_test(test_rule LINK bl_rule PkgConfig::JANSSON)
bl_unit_test(test_pure_nomem NOMEM LINK bl_window)

# Fuzz targets with a main() that feeds them files; the zones of one continent go along as they are.
add_executable(replay_tz fuzz/fuzz_tz.c fuzz/replay.c)
target_include_directories(replay_tz PRIVATE ${PROJECT_SOURCE_DIR}/shared/tz)
target_link_libraries(replay_tz PRIVATE bl_tz bl_options bl_sanitize)
add_test(NAME fuzz_tz_corpus
  COMMAND replay_tz ${CMAKE_CURRENT_SOURCE_DIR}/data/tz/corpus /usr/share/zoneinfo/Europe)
add_executable(replay_part fuzz/fuzz_part.c fuzz/replay.c)
target_link_libraries(replay_part PRIVATE bl_window bl_options bl_sanitize)
add_test(NAME fuzz_part_corpus
  COMMAND replay_part ${CMAKE_CURRENT_SOURCE_DIR}/data/part/corpus)
set_tests_properties(fuzz_tz_corpus fuzz_part_corpus PROPERTIES TIMEOUT 120)
