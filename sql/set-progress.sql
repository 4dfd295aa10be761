-- Keeps count of the rows a statement has read, for the heart beat.
set enable_progress_bar = true
