# The history of a link: its pure builder, and what the store finds for it.
bl_unit_test(test_store_link LINK collector_store)
bl_unit_test(test_store_link_read SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE)
target_include_directories(test_store_link_read PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
