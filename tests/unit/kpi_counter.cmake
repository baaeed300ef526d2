# Counters that fall; bl_kpi_test is in kpi.cmake.
bl_kpi_test(test_kpi_counter)
