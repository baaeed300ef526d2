bl_unit_test(test_csv SOURCES ${PROJECT_SOURCE_DIR}/provisioning/src/csv.c ${PROJECT_SOURCE_DIR}/provisioning/src/files.c
  LINK bl_buf bl_err)
target_include_directories(test_csv PRIVATE ${PROJECT_SOURCE_DIR}/provisioning/src)
