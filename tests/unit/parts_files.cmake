# The files that parts lie in, by themselves.
bl_unit_test(test_parts SOURCES contract/store_fixture.c
  LINK collector_parts collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_parts PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
