# Time: the clock map against a played truth, former boots.
bl_unit_test(test_clockmap_world LINK agent_core m)
bl_unit_test(test_boots SOURCES unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)

# What the store knows of it.
bl_unit_test(test_store_doubt SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_doubt PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)

# The clock of tests/system/test_clock.py, preloaded into a real agent.
add_library(clock_fault MODULE ${CMAKE_CURRENT_SOURCE_DIR}/system/clock_fault.c)
set_target_properties(clock_fault PROPERTIES PREFIX "")
target_compile_definitions(clock_fault PRIVATE _GNU_SOURCE)
target_compile_options(clock_fault PRIVATE -Wall -Wextra -O1)
target_link_libraries(clock_fault PRIVATE ${CMAKE_DL_LIBS})
