bl_unit_test(test_spool_rot SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
set_tests_properties(test_spool_rot PROPERTIES TIMEOUT 7200) # with BL_LONG=1
bl_unit_test(test_spool_full SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool test_shim PkgConfig::SQLITE ZLIB::ZLIB)

# Preloaded into a real agent by tests/system/test_agent_disk.py.  Pointers to functions come out of
# dlsym as pointers to data, which C does not know and POSIX does.
add_library(disk_fault MODULE ${CMAKE_CURRENT_SOURCE_DIR}/system/disk_fault.c)
set_target_properties(disk_fault PROPERTIES PREFIX "")
target_compile_definitions(disk_fault PRIVATE _GNU_SOURCE)
target_compile_options(disk_fault PRIVATE -Wall -Wextra -O1)
target_link_libraries(disk_fault PRIVATE ${CMAKE_DL_LIBS})
