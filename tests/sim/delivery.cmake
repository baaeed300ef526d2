# The simulator of delivery.
add_executable(sim_delivery ${CMAKE_CURRENT_LIST_DIR}/sim_main.c ${CMAKE_CURRENT_LIST_DIR}/sim_world.c
  ${CMAKE_CURRENT_LIST_DIR}/sim_machine.c ${CMAKE_CURRENT_LIST_DIR}/sim_broker.c
  ${CMAKE_CURRENT_LIST_DIR}/sim_centre.c ${CMAKE_CURRENT_LIST_DIR}/sim_chaos.c
  ${CMAKE_CURRENT_LIST_DIR}/sim_scenarios.c ${CMAKE_CURRENT_LIST_DIR}/sim_oracle.c)
target_include_directories(sim_delivery PRIVATE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(sim_delivery PRIVATE agent_delivery agent_core collector_ingest collector_store
  bl_codec bl_log test_shim PkgConfig::SQLITE bl_options bl_sanitize)
add_dependencies(sim sim_delivery)
# Small here, so that every build runs it, with sanitizers, too; tests/run runs the whole.
add_test(NAME sim_delivery_small COMMAND sim_delivery --seeds 1-2 --agents 2 --days 0.3)
set_tests_properties(sim_delivery_small PROPERTIES TIMEOUT 300)
