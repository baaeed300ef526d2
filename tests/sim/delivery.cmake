# The simulator of delivery.
set(parts main world clock machine link broker centre chaos scenarios measure oracle oracle_batch
  oracle_ledger oracle_place oracle_disk oracle_packed sent)
list(TRANSFORM parts REPLACE "(.+)" "${CMAKE_CURRENT_LIST_DIR}/sim_\\1.c")
add_executable(sim_delivery ${parts})
# sim_link.c takes the back-off of shared/mqtt, which is no part of its contract.
# The oracle asks for samples with their boot times, as only the store's own readers do.
target_include_directories(sim_delivery PRIVATE ${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/shared/mqtt
  ${PROJECT_SOURCE_DIR}/collector/src/store)
target_link_libraries(sim_delivery PRIVATE agent_delivery agent_core collector_ingest collector_compact collector_store
  bl_mqtt bl_codec bl_log test_shim PkgConfig::SQLITE bl_options bl_sanitize)
add_dependencies(sim sim_delivery)
# Small here, so that every build runs it, with sanitizers, too; tests/run runs the whole.
add_test(NAME sim_delivery_small COMMAND sim_delivery --seeds 1-2 --agents 2 --days 0.3)
set_tests_properties(sim_delivery_small PROPERTIES TIMEOUT 300)
# The same, broken on purpose, must fail; receipt-before-commit and dedupe-without-checksum are
# caught by test_ingest_fault, where the agent deletes at once and the old life's batches come late.
bl_caught(sync-off sim_delivery "seeds .* lost [1-9]"
  ARGS --seeds 1-3 --agents 2 --days 0.3 --scenario agent-cut)
bl_caught(dedupe-by-time sim_delivery "seeds .* doubled 0 lost [1-9]"
  ARGS --seeds 1-3 --agents 2 --days 0.3 --scenario store-back)
bl_caught(delete-on-puback sim_delivery "seeds .* doubled 0 lost [1-9]"
  ARGS --seeds 1-3 --agents 2 --days 0.3 --scenario broker-forgets)
add_test(NAME whole_where_broken_ones_are_caught COMMAND sh -c
  "for s in agent-cut store-back broker-forgets; do $<TARGET_FILE:sim_delivery> --seeds 1-3 --agents 2 --days 0.3 --scenario $s || exit 1; done")

# What must not pass: each promise broken on purpose, caught by the oracle (test_broken.py).
foreach(name sync-off dedupe-by-time delete-on-puback)
  string(REPLACE - _ id ${name})
  bl_broken(sim_delivery ${name} sim_broken_${id})
  add_dependencies(sim sim_broken_${id})
endforeach()
