# The crash tests themselves can fail: a collector that gives receipts before its commit is caught.
bl_broken(test_ingest_crash receipt-before-commit test_ingest_crash_broken)
target_include_directories(test_ingest_crash_broken PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
add_test(NAME test_ingest_crash_broken COMMAND test_ingest_crash_broken)
set_tests_properties(test_ingest_crash_broken PROPERTIES TIMEOUT 300
  PASS_REGULAR_EXPRESSION "store.commit, hit [0-9]+: [0-9]+ were receipted, [0-9]+ are there")
