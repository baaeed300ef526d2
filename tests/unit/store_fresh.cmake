# The memory of open hours: with and without it the same answers.
bl_unit_test(test_store_fresh SOURCES unit/packed_kit.c unit/packed_kit_say.c unit/store_log_kit.c
  contract/store_fixture.c
  LINK collector_compact collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_fresh PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
