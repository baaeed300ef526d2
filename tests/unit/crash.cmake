# The crash tests themselves can fail: a collector that gives receipts before its commit is caught.
bl_broken(test_ingest_crash receipt-before-commit test_ingest_crash_receipt-before-commit)
target_include_directories(test_ingest_crash_receipt-before-commit PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
add_test(NAME test_ingest_crash_receipt-before-commit COMMAND test_ingest_crash_receipt-before-commit)
set_tests_properties(test_ingest_crash_receipt-before-commit PROPERTIES TIMEOUT 300
  PASS_REGULAR_EXPRESSION "store.commit, hit [0-9]+: [0-9]+ were receipted, [0-9]+ are there")

# The rig for power cuts must see an agent that does not sync (tests/crash/test_power_cut.py).
bl_broken(branchline-agent sync-off branchline-agent_sync-off)

# What those tests put between the real programs and their disk.
add_library(slow_disk MODULE ${CMAKE_CURRENT_SOURCE_DIR}/crash/slow_disk.c)
target_link_libraries(slow_disk PRIVATE bl_options dl)

# Preloaded into the browser of tests/browser.
add_library(steady_network MODULE ${CMAKE_CURRENT_SOURCE_DIR}/browser/steady_network.c)
target_link_libraries(steady_network PRIVATE bl_options dl)
