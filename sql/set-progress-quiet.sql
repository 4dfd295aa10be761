-- The count is read by us and printed by nobody.
set enable_progress_bar_print = false
