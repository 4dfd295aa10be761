-- How many threads the next statements have; the one setting that may still change, see openDatabase.
-- {{threads}}: a whole number, 1 or more.
set threads = {{threads}}
