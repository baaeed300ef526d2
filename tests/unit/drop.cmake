# Drop folders: CSV by itself, and folders with a scripted host.
bl_unit_test(test_drop_csv LINK agent_drop)
target_include_directories(test_drop_csv PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/drop)
foreach(name test_drop test_drop_once test_drop_hostile test_drop_random test_drop_text)
  bl_unit_test(${name} SOURCES unit/drop_kit.c unit/inlet_host.c LINK agent_drop agent_inlet agent_intake bl_rowmap bl_charset)
endforeach()
