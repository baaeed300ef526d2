# Queries over a fleet: pure, with a source that is made up.
bl_unit_test(test_query LINK collector_query collector_store bl_sketch bl_clock m)
bl_unit_test(test_query_set LINK collector_query m)
