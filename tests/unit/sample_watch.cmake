# Samplers of what is watched by name: processes, files, logs.
bl_unit_test(test_sample_process LINK sample_harness)
bl_unit_test(test_sample_files LINK sample_harness)
bl_unit_test(test_sample_logs LINK sample_harness)
