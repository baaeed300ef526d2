# Samples that stand for several, at the centre.
foreach(name test_thin_store test_thin_holes)
  bl_unit_test(${name} SOURCES unit/thin_store_kit.c contract/store_kit.c contract/store_fixture.c
    LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
endforeach()
bl_kpi_test(test_thin_kpi)
bl_unit_test(test_thin_part LINK bl_window bl_sketch m)
