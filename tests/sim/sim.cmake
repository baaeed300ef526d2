# One history delivered live and torn must end the same.
add_executable(sim_late ${CMAKE_CURRENT_LIST_DIR}/late.c ${CMAKE_CURRENT_LIST_DIR}/late_history.c
  ${CMAKE_CURRENT_LIST_DIR}/late_deliver.c ${CMAKE_CURRENT_LIST_DIR}/late_centre.c)
target_link_libraries(sim_late PRIVATE collector_eval collector_define collector_ingest
  collector_store collector_control collector_fleet bl_codec PkgConfig::SQLITE
  bl_options bl_sanitize)
add_dependencies(sim sim_late)
# Small here, so that every build runs it; tests/run runs the whole.
add_test(NAME sim_late_small COMMAND sim_late --sites 4 --days 1 --seeds 1-2)
set_tests_properties(sim_late_small PROPERTIES TIMEOUT 300)
