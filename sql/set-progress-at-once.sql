-- Counting begins with the statement, not after two seconds.
set progress_bar_time = 0
