# Samplers of what is watched by name: processes, files, logs.
bl_unit_test(test_sample_process LINK sample_harness)
bl_unit_test(test_sample_files LINK sample_harness)
bl_unit_test(test_sample_logs LINK sample_harness)
bl_unit_test(test_log_between LINK agent_sample test_folder)
target_include_directories(test_log_between PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/sample)
