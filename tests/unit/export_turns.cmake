# Who may have how many exports.
bl_unit_test(test_api_turns LINK collector_api collector_auth)
target_include_directories(test_api_turns PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../../collector/src/api)
