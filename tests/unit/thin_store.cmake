# Samples that stand for several, at the centre.
bl_unit_test(test_thin_store SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_thin_store PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_kpi_test(test_thin_kpi)
bl_unit_test(test_thin_part LINK bl_window bl_sketch m)
