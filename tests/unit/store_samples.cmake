# One way to samples, whatever holds them.
bl_unit_test(test_store_samples SOURCES unit/store_log_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log m)
target_include_directories(test_store_samples PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
