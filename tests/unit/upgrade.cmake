# Stores that earlier releases made.
bl_unit_test(test_store_upgrade SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_upgrade PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
