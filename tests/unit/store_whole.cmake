# What a reader remembers of hours without a hole.
bl_unit_test(test_store_whole SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE)
target_include_directories(test_store_whole PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
